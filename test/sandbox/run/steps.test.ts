import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../../sandbox/index.ts';
import { exited, play, tarOf, tempFolder, unprobed } from '../support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
let sandbox: Sandbox;

beforeAll(async () => {
  folder = await tempFolder();
  sandbox = unprobed(folder.path);
});
afterAll(() => folder?.remove());

describe('the log of a build', () => {
  it('tells where a step begins, by its name or the first line of its command, and which one failed', async () => {
    const { outcome, log } = await play(
      sandbox,
      [
        'true',
        { run: 'true # not told', name: "it's %s \\n $(id) `id`" },
        'echo one\ntrue',
        { run: 'exit 7', name: 'unit tests' },
        'echo never',
      ],
      { stepMarks: true },
    );
    expect(outcome).toEqual(exited(7));
    expect(log.trim().split('\n')).toEqual([
      'quorate: step 1 of 5: true',
      "quorate: step 2 of 5: it's %s \\n $(id) `id`",
      'quorate: step 3 of 5: echo one',
      'one',
      'quorate: step 4 of 5: unit tests',
      'quorate: step 4 of 5 failed: exit 7 (unit tests)',
    ]);
  });
});

describe('a step that may fail', () => {
  it('tells its exit status in the log, and the job goes on to its outputs', async () => {
    const { outcome, log, outputs } = await play(
      sandbox,
      [
        { run: 'echo report > $OUT/report; exit 7', name: 'lint', allowFailure: true },
        { run: 'kill -KILL $$', allowFailure: true },
        'echo next',
      ],
      { stepMarks: true, outputs: ['.'] },
    );
    expect(outcome).toEqual(exited(0));
    expect(log.split('\n').filter((line) => !/Killed/.test(line))).toEqual([
      'quorate: step 1 of 3: lint',
      'quorate: step 1 of 3 failed (allowed): exit 7 (lint)',
      'quorate: step 2 of 3: kill -KILL $$',
      'quorate: step 2 of 3 failed (allowed): exit 137',
      'quorate: step 3 of 3: echo next',
      'next',
      '',
    ]);
    expect(outputs.map(({ header, text }) => [header.name, text])).toContainEqual(['./report', 'report\n']);
  });

  it('excuses no other step, and no limit', async () => {
    const may = (run: string) => ({ run, allowFailure: true as const });
    expect((await play(sandbox, [may('exit 7'), 'exit 3', may('true')])).outcome).toEqual(exited(3));
    expect((await play(sandbox, [may('exit 7')])).outcome).toEqual(exited(0));
    const late = await play(sandbox, [may('sleep 9'), 'true'], { limits: { seconds: 0.5 } });
    expect(late.outcome).toMatchObject({ kind: 'aborted', reason: 'time' });
  });
});

describe('a step for bash', () => {
  it('is run by it, and fails where a part of a pipe does; the others are not', async () => {
    const isBash = '[ -n "${BASH_VERSION:-}" ]';
    const { outcome, log } = await play(sandbox, [
      `if ${isBash}; then exit 3; fi`,
      { run: '[[ $SHELLOPTS == *pipefail* ]]; words=(a "b c"); echo "${#words[@]} $-"', shell: 'bash' },
      'false | true',
      { run: 'false | true', shell: 'bash' },
      'echo never',
    ]);
    expect(outcome).toEqual(exited(1));
    expect(log).toMatch(/^2 \w*e\w*u\w*\n$/);
  });

  it('reads no start-up file that a step before it wrote', async () => {
    const { log } = await play(sandbox, [
      'for f in .bashrc .bash_profile .profile; do echo "echo read" > ~/$f; done',
      { run: 'echo done', shell: 'bash' },
    ]);
    expect(log).toBe('done\n');
  });
});

it('a git folder is unpacked in the checkout', async () => {
  const source = tarOf([{ name: 'f', content: 'x' }]);
  const git = tarOf([{ name: 'HEAD', content: 'of the commit' }]);
  const { log } = await play(sandbox, ['ls -A; cat .git/HEAD'], { source, git });
  expect(log).toBe('.git\nf\nof the commit');
});

it('a step with a NUL in its name is refused', async () => {
  await expect(play(sandbox, [{ run: 'true', name: 'a\0b' }])).rejects.toMatchObject({
    code: 'SANDBOX_JOB_INVALID',
  });
});
