import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { gate } from '../e2e/support/gate.ts';
import { jobFile } from '../e2e/support/jobs.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import { Person } from './support/person.ts';
import { provider } from './support/provider.ts';
import { screenOf, Terminal } from './support/terminal.ts';

const columns = 20;
let person: Person;
let cluster: LocalCluster;

beforeAll(async () => {
  person = await Person.arrive();
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'] });
});

interface Options {
  cwd?: string;
  home?: string;
}

function open(args: string[], { cwd = person.at('folder'), home }: Options = {}): Terminal {
  const command = person.command(args, home === undefined ? {} : { home });
  return new Terminal(command, { columns, rows: 24, cwd, env: person.env() });
}

/** Lines break between words, and within those that are longer. */
const wordsOf = (screen: readonly string[]): string => screen.join('').replaceAll(' ', '');

it('the terminal of these tests wraps and moves as real ones do', () => {
  expect(screenOf('abcdefg\r\nx\r\n\u001b[1A\u001b[Jy\r\n', 5)).toEqual(['abcde', 'fg', 'y', '']);
});

describe('a terminal of 20 columns', () => {
  it('shows a run: a row for each slot that says how it is doing, and no rest of an earlier one', async () => {
    const held = gate();
    const url = await cluster.git.commit('narrow', {
      'quorate.yaml': jobFile({ run: [held.step, 'echo x > "$OUT/x"'] }),
    });
    const owner = { cwd: cluster.projectDir, home: cluster.home('owner') };
    const run = open(['run', url, '--until', 'agreed'], owner);
    await run.shows(/slot 1 building \d/);
    await run.shows(/slot 3 building \d/);
    await held.reached(3);
    await held.open();
    expect(await run.end(), run.screen().join('\n')).toBe(0);
    const screen = run.screen();
    const rows = screen.filter((line) => line.includes('slot'));
    expect(rows.map((row) => row.slice(0, 6))).toEqual(['slot 1', 'slot 2', 'slot 3']);
    for (const row of rows) expect(row).toMatch(/^slot \d baf.{0,11}…$/);
    expect(wordsOf(screen)).toMatch(/agreed\(unverified\)bafy\w{3}…\w{6}by(ada|ben|cyd),/);
  });

  it('shows a fetch, and every word of its answer', async () => {
    const { where, artifact } = await provider(person.at('narrow'), 100_000);
    const fetch = open(['fetch', artifact, '-o', person.at('got'), ...where]);
    expect(await fetch.end(), fetch.screen().join('\n')).toBe(0);
    const screen = fetch.screen();
    expect(screen.filter((line) => line.startsWith('writing to')).length).toBe(1);
    expect(screen.filter((line) => line.startsWith('fetching') || line.startsWith('looking'))).toEqual([]);
    expect(screen.join('')).toContain(`in ${person.at('got')}`);
    expect(wordsOf(screen)).toContain('trustedsource');
  });

  it('shows an error whole', async () => {
    const jobs = open(['jobs']);
    expect(await jobs.end()).toBe(2);
    expect(wordsOf(jobs.screen())).toMatch(/^error\[MEMBERSHIP_NOT_FOUND\]:.*hint:.*quoratejoin/);
  });

  it('shows help', async () => {
    const help = open(['fetch', '--help']);
    expect(await help.end()).toBe(0);
    expect(help.screen().join(' ').replace(/\s+/g, ' ')).toContain('Refuses what is not trusted');
  });

  it('asks before this machine is lent, and takes Ctrl-C and no for an answer', async () => {
    const ticket = await cluster.ticket('dan');
    const homes = ['dan', 'dana'].map((name) => person.at(name));
    const [asked, declined] = homes.map((home) => open(['join', ticket, '--tier', 'namespace'], { home }));
    await asked?.shows('Lend this machine? [y/N]');
    asked?.type('\u0003');
    expect(await asked?.end()).toBe(130);
    expect(asked?.screen().join('')).toContain('error[CLI_INTERRUPTED]');

    await declined?.shows('Lend this machine? [y/N]');
    declined?.type('n\r');
    expect(await declined?.end()).toBe(1);
    expect(declined?.screen().join('')).toContain('Nothing was done.');
    for (const home of homes) expect(existsSync(join(home, 'projects'))).toBe(false);
  });
});
