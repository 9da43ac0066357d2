import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSandbox, type Sandbox } from '../../../sandbox/index.ts';
import { exited, play, tempFolder } from '../support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
let sandbox: Sandbox;

beforeAll(async () => {
  folder = await tempFolder();
  sandbox = await openSandbox(folder.path, 'namespace');
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

it('a step with a NUL in its name is refused', async () => {
  await expect(play(sandbox, [{ run: 'true', name: 'a\0b' }])).rejects.toMatchObject({
    code: 'SANDBOX_JOB_INVALID',
  });
});
