import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { openConfinedGit } from '../../src/execution/confined-git.ts';
import { fetchRecipe, readLocalJobFile } from '../../src/member/recipe.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';

/** git in a sandbox that was opened before, with its sockets in this folder. */
async function confined(net: string, outOfMemory = false) {
  const tool = {
    net,
    dir: net,
    wrap: () => ({}),
    outOfMemory: () => outOfMemory,
    start: () => ({ streams: [] }),
    close: vi.fn(async () => {}),
  };
  const waiting = { end: vi.fn() };
  const opened = openConfinedGit({
    url: 'https://git.example/app.git',
    vcs: [],
    stateDir: net,
    scratch: net,
    cpus: 1,
    memoryBytes: 1,
    bytesMax: 1,
    say: () => {},
    ahead: { tool, waiting } as never,
  });
  return { opened, waiting, ended: () => [waiting.end.mock.calls.length, tool.close.mock.calls.length] };
}

it('git whose way to its server cannot be opened is ended', async () => {
  const { opened, ended } = await confined(join(await folder(), 'x'.repeat(150)));
  expect(await codeOf(() => opened)).toBe('EGRESS_UNAVAILABLE');
  expect(ended()).toEqual([1, 1]);
});

it('an error of git is that of the sandbox or the proxy, where these know it', async () => {
  const failed = new QuorateError('SOURCE_UNREACHABLE', 'git says so');
  const code = (error: unknown) => (error as QuorateError).code;
  const small = await confined(await folder(), true);
  const git = await small.opened;
  expect(code(git.explain(failed))).toBe('SOURCE_TOO_LARGE');
  const late = new QuorateError('SOURCE_TIMEOUT', 'late');
  expect(git.explain(late)).toBe(late);
  await git.close();
  expect(small.ended()).toEqual([1, 1]);
  const { opened, waiting } = await confined(await folder());
  const other = await opened;
  expect([typeof other.start, other.waiting]).toEqual(['function', waiting]);
  expect(other.explain(failed)).toBe(failed);
  const refusals = other.egress.refusals as unknown as object[];
  refusals.push({ code: 'EGRESS_UNREACHABLE', message: 'not there', hint: 'wait' });
  expect(other.explain(failed)).toMatchObject({
    code: 'SOURCE_UNREACHABLE',
    message: 'not there',
    hint: 'wait',
  });
  refusals.unshift({ code: 'EGRESS_NOT_ALLOWED', message: 'not allowed' });
  expect(other.explain(failed)).toMatchObject({ code: 'EGRESS_NOT_ALLOWED', message: 'not allowed' });
  await other.close();
});

it('a job file that is too large is not read, and none is fetched by ssh', async () => {
  const file = join(await folder(), 'quorate.yaml');
  await writeFile(file, '');
  // Of one that takes no room on the disk.
  await truncate(file, 2 ** 32);
  expect(await codeOf(() => readLocalJobFile(file))).toBe('JOBFILE_INVALID');
  const wanted = { repo: 'ssh://git@git.example/app.git', path: 'quorate.yaml' };
  const where = { dir: await folder(), signal: AbortSignal.timeout(120_000) };
  expect(await codeOf(() => fetchRecipe({} as never, wanted as never, where))).toBe(
    'SOURCE_PROTOCOL_REFUSED',
  );
});
