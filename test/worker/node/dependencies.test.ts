import { readdir } from 'node:fs/promises';
import { expect, it, vi } from 'vitest';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { TransferFailed } from '../../../src/transfer/index.ts';
import { openDependencies } from '../../../src/worker/node/dependencies.ts';
import { folder } from '../../support/code-and-folder.ts';
import { makeJob } from '../../support/project.ts';

const say = () => {};

/** A worker whose store fails with this when it is asked for a tree. */
async function failing(error: Error) {
  const unpinned: string[] = [];
  const dir = await folder();
  const store = {
    has: () => Promise.reject(error),
    resolve: () => Promise.reject(new Error('not here')),
    unpin: async (tree: string) => void unpinned.push(tree),
  };
  const job = makeJob({ dependencies: { locks: ['package-lock.json'], tree: 'bafy' } } as never);
  const stop = new AbortController();
  const open = (signal = stop.signal) =>
    openDependencies({ dir, store } as never, 'lease', { job, source: {} as never, signal, say });
  return { open, store, unpinned, left: () => readdir(dir), stop };
}

it('dependencies that cannot be had leave nothing, and are an error that says why', async () => {
  const lost = await failing(new QuorateError('TRANSFER_NO_PROVIDER', 'nobody'));
  await expect(lost.open()).rejects.toMatchObject({ code: 'DEPENDENCIES_UNAVAILABLE' });
  expect([lost.unpinned, await lost.left()]).toEqual([['bafy'], []]);
  const full = await failing(new QuorateError('STORE_DISK_FULL', 'full'));
  await expect(full.open()).rejects.toMatchObject({ code: 'STORE_DISK_FULL' });
  const reason = new Error('enough');
  await expect(lost.open(AbortSignal.abort(reason))).rejects.toBe(reason);
  vi.spyOn(full.store, 'unpin').mockRejectedValue(new Error('a bad disk'));
  await expect(full.open()).rejects.toMatchObject({ code: 'STORE_DISK_FULL' });
});

it('dependencies that somebody changed are told apart from those that are not there', async () => {
  const dropped = (block?: string) =>
    failing(
      new TransferFailed(
        'bafy' as never,
        [{ peer: 'x', code: 'y', message: 'z', block }] as never,
        undefined,
      ),
    );
  const codes = [];
  for (const block of ['bafyblock', undefined]) {
    const { open } = await dropped(block);
    codes.push(await open().catch((error: { code: string }) => error.code));
  }
  expect(codes).toEqual(['DEPENDENCIES_MISMATCH', 'DEPENDENCIES_UNAVAILABLE']);
});

it('a job without dependencies has none', async () => {
  const reading = { job: makeJob(), source: {} as never, signal: new AbortController().signal, say };
  const { laid, close } = await openDependencies({} as never, 'lease', reading);
  expect(laid).toBeUndefined();
  await close();
});
