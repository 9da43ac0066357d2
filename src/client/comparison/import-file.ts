import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { entryAt, type Store } from '../../store/index.ts';

const name = 'file';

/** Copies one file of this host into a store. Returns its CID. @throws COMPARE_FILE_UNREADABLE, `STORE_…`, the signal's reason */
export async function importFile(store: Store, path: string, signal: AbortSignal): Promise<string> {
  const packer = pack();
  const filled = fill(packer, path, signal);
  filled.catch((error: Error) => packer.destroy(error));
  try {
    // A stream of streamx is one of Node in all that is used of it.
    const tar = packer as unknown as Parameters<Store['importTar']>[0];
    const { root } = await store.importTar(tar, { into: store.public, signal });
    await filled;
    return (await entryAt(store.tree(root), name))?.cid ?? root;
  } catch (error) {
    signal.throwIfAborted();
    const cause: unknown = await filled.catch((failure: unknown) => failure);
    // Where the import ended first, that closed the archive.
    const isOwn = cause instanceof Error && ('syscall' in cause || cause.message === 'Size mismatch');
    if (isOwn)
      throw new QuorateError('COMPARE_FILE_UNREADABLE', `${path} cannot be read: ${messageOf(cause)}`, {
        cause,
      });
    throw error;
  } finally {
    packer.destroy();
  }
}

async function fill(packer: ReturnType<typeof pack>, path: string, signal: AbortSignal): Promise<void> {
  const { size } = await stat(path);
  const entry = packer.entry({ name, size });
  // One byte more than there were: a file that grows, or states no size, is noticed.
  await pipeline(createReadStream(path, { end: size }), entry, { signal });
  packer.finalize();
}
