import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runTarget } from './runner.ts';
import { readBack, written } from './target.ts';

const module = join(import.meta.dirname, 'fixtures/planted.ts');
let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-fuzz-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A planted bug is found long before the time is over, even where others keep the machine busy. */
const run = (name: string, more: { path?: string; input?: string; ms?: number; stuckMsMax?: number } = {}) =>
  runTarget({
    module,
    name,
    seed: 5,
    ms: 120_000,
    dir,
    heapMiB: 96,
    rssMiBMax: 400,

    ...more,
  });

describe('a decoder in a process of its own', () => {
  it('of which nothing is found is fed many inputs', async () => {
    const { finding, inputs, outcomes } = await run('sound', { ms: 400 });
    expect(finding).toBeUndefined();
    expect(inputs).toBeGreaterThan(20);
    expect(Object.keys(outcomes).sort()).toEqual(['DOC_INVALID', 'taken']);
  });

  it.each([
    ['throws', /not a coded error: TypeError: planted/, /^"0?120?"$/],
    ['no-code', /NOT_IN_THE_LIST is in no list/, /^"0?x0?"$/],
    ['talks', /DOC_INVALID has a message of 9000 characters/, /^"0?x0?"$/],
    ['loose', /two spellings of one number/, /^"0[12x]0?"$/],
    ['refuses', /a valid input is refused: DOC_INVALID/, /^"0"$/],
    ['slow', /of processor time; at most 50 are right/, /^"0?220?"$/],
  ])('that %s is found out with a small input', async (name, what, input) => {
    const { finding } = await run(name);
    expect(finding?.what).toMatch(what);
    expect(finding?.input).toMatch(input);
  });

  it.each([
    ['loops', /no end after 0.8 s/],
    ['hoards', /the heap went over 96 MiB/],
    ['hoards-bytes', /the process has \d+ MiB/],
    ['strays', /nobody handles: Error: nobody waits for this/],
    ['exits', /the process ended with code 3/],
  ])('that %s is found out, with the input it was at', async (name, what) => {
    const { finding } = await run(name, name === 'loops' ? { stuckMsMax: 800 } : {});
    expect(finding?.what).toMatch(what);
    expect(readBack(finding?.input ?? '')).toContain('22');
  });

  it('can be brought to the same finding again: by seed and path, and by the input alone', async () => {
    const { finding } = await run('throws');
    const { finding: byPath } = await run('throws', { path: finding?.path ?? '' });
    expect(byPath?.input).toBe(finding?.input);
    const { finding: byInput, inputs } = await run('throws', { input: finding?.input ?? '' });
    expect([byInput?.input, inputs]).toEqual([finding?.input, 1]);
    expect((await run('throws', { input: '"21"' })).finding).toBeUndefined();
  });
});

it('inputs are written in one line, and read back', () => {
  for (const input of [new Uint8Array([0, 255]), 'a\n\ud800', { which: 1, list: ['é', null, true] }]) {
    expect(written(input)).not.toContain('\n');
    expect(readBack(written(input))).toEqual(input);
  }
});

describe('npm run fuzz', () => {
  const main = (...args: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
      encoding: 'utf8',
      timeout: 240_000,
    });

  it('says the seed and what came of each target', () => {
    const { status, stdout } = main('--only', 'units', '--seconds', '1', '--seed', '7');
    expect(stdout).toMatch(/^seed 7, 1 target\(s\)/);
    expect(stdout).toMatch(/^units: \d+ inputs, \d+ taken/m);
    expect(stdout).toMatch(/seed 7: nothing found$/m);
    expect(status).toBe(0);
  });

  it('lists options and targets with --help', () => {
    expect(main('--help')).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/^targets: .*units/m),
    });
  });

  it.each([
    [['--only', 'nothing'], /no target is called "nothing"/],
    [['--input', '"a"'], /one input belongs to one target/],
  ])('%j is explained', (args, says) => {
    const { status, stderr } = main(...args);
    expect(stderr).toMatch(says);
    expect(stderr).toContain('usage: npm run fuzz');
    expect(status).toBe(2);
  });
});
