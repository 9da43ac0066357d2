import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { git } from '../e2e/support/git.ts';
import { program } from '../e2e/support/jobs.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import { deadlineMs } from '../e2e/support/wait.ts';
import { realProject, tamper } from '../proof/support.ts';
import { project } from '../support/project.ts';
import { codeIn, Person } from './support/person.ts';
import { provider } from './support/provider.ts';

let person: Person;
let cluster: LocalCluster;
let job: string;

beforeAll(async () => {
  person = await Person.arrive();
  cluster = await LocalCluster.start({ volunteers: ['ada', 'ben', 'cyd'] });
  const run = await cluster.submit(await cluster.git.commit('hello', program('hello')), '--until', 'agreed');
  expect((await run.end()).code, run.report()).toBe(0);
  job = run.run;
});

interface Case {
  args: string[];
  cwd?: string;
  home?: string;
}

let asked = 0;

/** Every command that prints, with arguments that make it print. */
async function commands(): Promise<Record<string, Case>> {
  const name = ++asked;
  const repo = person.at(`repo ${name}`);
  await mkdir(repo);
  await git(repo, 'init', '--quiet');
  const owner = { cwd: cluster.projectDir, home: cluster.home('owner') };
  const { bundleFile, tool } = await realProject();
  const { where, artifact } = await provider(person.at(`provider ${name}`), 1000);
  return {
    '--help': { args: ['--help'] },
    'version --json': { args: ['version', '--json'] },
    doctor: { args: ['doctor', '--tier', 'namespace'] },
    key: { args: ['key'] },
    init: { args: ['init'], cwd: repo },
    invite: { args: ['invite', 'zoe'], ...owner },
    jobs: { args: ['jobs'], ...owner },
    'jobs --json': { args: ['jobs', '--json'], ...owner },
    show: { args: ['show', job], ...owner },
    logs: { args: ['logs', job], ...owner },
    run: { args: ['run', cluster.git.url('hello')], ...owner },
    fetch: { args: ['fetch', artifact, '-o', person.at(`got ${name}`), ...where] },
    verify: { args: ['verify', tool, '--bundle', bundleFile, '--project', project] },
    export: {
      args: ['export', bundleFile, '--project', project, '--cosign', '-o', person.at(`cosign ${name}`)],
    },
    controller: { args: ['controller', '--listen', '/ip4/127.0.0.1/tcp/0'], cwd: repo },
    join: { args: ['join', '--tier', 'namespace'], home: cluster.home('cyd') },
  };
}

/** Notes of a command to a person go to standard error. */
const withoutNotes = (err: string) => err.replace(/^(?:There are changes|This is a new key).*\n/, '');

/** A pipe whose reader has gone before the command begins. */
const readerGone = { before: 'exec 5> >(:); wait $!;', into: '>&5 5>&-' };
const fullDisk = { before: '', into: '> /dev/full' };

/** The command in a shell, with its standard output led there. Its own exit code, and what it said to a person. */
function piped({ before, into }: typeof fullDisk, { args, cwd = person.at('folder'), home }: Case) {
  const quoted = person
    .command(args, home === undefined ? {} : { home })
    .map((word) => `'${word}'`)
    .join(' ');
  // Ended by the shell's own limit: nothing may hang.
  const script = `${before} timeout --kill-after=1 ${deadlineMs / 1000} ${quoted} ${into}`;
  const child = spawn('bash', ['-c', script], {
    cwd,
    env: person.env(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  return new Promise<{ code: number | null; err: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, err }));
  });
}

/** Two at a time, as there may be no more processors than that. */
async function each<T>(cases: Record<string, Case>, look: (one: Case) => Promise<T>): Promise<[string, T][]> {
  const left = Object.entries(cases);
  const found: [string, T][] = [];
  const take = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift())
      found.push([next[0], await look(next[1])]);
  };
  await Promise.all([take(), take()]);
  return found;
}

describe('a reader that goes away', () => {
  it('ends every command that prints, without a word and never as if it had answered', async () => {
    await cluster.worker('cyd').stop();
    const ended = await each(await commands(), (one) => piped(readerGone, one));
    for (const [name, { code, err }] of ended) {
      // Some have done what they are for without anybody reading about it; that is no error.
      expect([0, 141], `${name}: ${code} ${err}`).toContain(code);
      expect(withoutNotes(err), name).toBe('');
    }
    expect(Object.fromEntries(ended.map(([name, { code }]) => [name, code]))).toMatchObject({
      // Their work is done whether or not anybody reads about it, or running is all they do.
      '--help': 0,
      init: 0,
      invite: 0,
      key: 0,
      controller: 0,
      join: 0,
      run: 141,
      fetch: 141,
    });
  });

  it('ends a run that is being followed as if nobody had read', async () => {
    const { run } = await commands();
    expect(run).toBeDefined();
    const firstLine = { before: 'exec 5> >(head -n 1 > /dev/null);', into: '>&5 5>&-' };
    if (run !== undefined) expect((await piped(firstLine, run)).code).toBe(141);
  });

  it('is no proof of anything: verify of a folder that was tampered with', async () => {
    const { bundleFile, tool } = await realProject();
    await writeFile(join(tool, 'noise'), Buffer.alloc(100_000_000));
    await tamper(join(tool, 'version'));
    const { code, err } = await piped(readerGone, {
      args: ['verify', tool, '--bundle', bundleFile, '--project', project],
    });
    expect({ code, err }).toEqual({ code: 141, err: '' });
  });
});

describe('a full disk under standard output', () => {
  it('ends every command that prints with a code, whatever its answer was', async () => {
    const ended = await each(await commands(), (one) => piped(fullDisk, one));
    for (const [name, { code, err }] of ended) {
      expect(code, `${name}: ${err}`).toBe(3);
      expect(codeIn(err), `${name}: ${err}`).toBe('CLI_OUTPUT_LOST');
      expect(withoutNotes(err).split('\n').length, `${name}: ${err}`).toBe(3);
    }
  });
});
