import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CID } from 'multiformats/cid';
import type { Mesh } from '../../mesh/index.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { type DependencyIndex, decodeIndex, indexName } from '../../protocol/lock-formats/index.ts';
import { dependencyLimits } from '../../protocol/lock-formats/limits.ts';
import { openStore, type PublicBlocks, type Store } from '../../store/index.ts';
import { CarDecoder, encodeCar, fetchBlock } from '../../transfer/index.ts';
import { makeScratch } from '../scratch.ts';
import { artifactLimits } from './limits.ts';
import { providersOf, pullArtifact } from './transfer.ts';

/** The index of a tree of dependencies, and as a file a CAR that shows it: the tree's root block and the blocks of its `index.json`. */
interface ProvenIndex {
  index: DependencyIndex;
  car: Uint8Array;
}

/**
 * Fetches the index of a tree from peers that are connected, and none of the files that it names.
 * @throws DEPENDENCIES_UNAVAILABLE, DEPENDENCY_INDEX_MISMATCH, `STORE_…`, the signal's reason
 */
export async function fetchIndex(
  ends: { mesh: Mesh; store: Store },
  tree: string,
  { from, signal }: { from: readonly string[]; signal: AbortSignal },
): Promise<ProvenIndex> {
  const { mesh, store } = ends;
  const { blocks } = store;
  const root = blocks.parse(tree);
  try {
    await blocks.during(() => fetchBlock(root, blocks, providersOf(mesh, from, signal), { signal }));
    for (const cid of indexOnly(blocks, root)(root, await blocks.read(root)))
      await pullArtifact(ends, cid.toString(), { from, signal, maxBytes: artifactLimits.indexFileBytesMax });
  } catch (error) {
    signal.throwIfAborted();
    const says = `the index of the dependencies ${tree} could not be had from ${from.length} peers`;
    throw new QuorateError('DEPENDENCIES_UNAVAILABLE', `${says}: ${messageOf(error)}`, {
      hint: 'The controller has it, as one of the last of its publisher. Whoever kept the file of it can name that: --index.',
      cause: error,
    });
  }
  return provenIndex(store, tree, signal);
}

/** The index of a tree whose root and index are in the public area of a store. @throws DEPENDENCY_INDEX_MISMATCH, the signal's reason */
export async function provenIndex(store: Store, tree: string, signal: AbortSignal): Promise<ProvenIndex> {
  return { index: await readIndex(store, tree, signal), car: await carOfIndex(store, tree) };
}

/** The same as a file that nobody has read. @throws STORE_BLOCK_MISSING */
export async function carOfIndex({ blocks }: Pick<Store, 'blocks'>, tree: string): Promise<Uint8Array> {
  const root = blocks.parse(tree);
  const source = { read: (cid: CID) => blocks.read(cid), links: indexOnly(blocks, root) };
  const maxBytes = artifactLimits.indexFileBytesMax;
  return Buffer.concat(await Array.fromAsync(encodeCar(source, [root], { maxBytes })));
}

/**
 * The index in a file that anybody may have written: each block has the hash by which the tree names it. @throws
 * DEPENDENCY_INDEX_MISMATCH, the signal's reason
 */
export async function readIndexFile(
  bytes: Uint8Array,
  tree: string,
  signal: AbortSignal,
): Promise<ProvenIndex> {
  const scratch = await makeScratch('fetch');
  const store = await openStore({ dir: join(scratch, 'store') });
  try {
    const { blocks } = store;
    const root = blocks.parse(tree);
    const decoder = new CarDecoder([{ cid: root, depth: 0 }], indexOnly(blocks, root));
    await blocks.during(async () => {
      decoder.push(bytes);
      for (let block = decoder.next(); block !== undefined; block = decoder.next())
        await blocks.put(block.cid, Uint8Array.from(block.bytes));
      decoder.end();
    });
    return { index: await readIndex(store, tree, signal), car: bytes };
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof QuorateError && error.code === 'DEPENDENCY_INDEX_MISMATCH'
      ? error
      : mismatch(tree, error);
  } finally {
    await store.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Of the tree's root the first link only, which is that of the index. */
const indexOnly =
  (blocks: PublicBlocks, root: CID) =>
  (cid: CID, bytes: Uint8Array): CID[] => {
    const links = blocks.links(cid, bytes);
    return cid.equals(root) ? links.slice(0, 1) : links;
  };

async function readIndex(store: Store, tree: string, signal: AbortSignal): Promise<DependencyIndex> {
  try {
    const entry = await store.resolve(tree, indexName, { signal });
    if (entry?.kind !== 'file') throw new QuorateError('DEPENDENCIES_MISMATCH', 'the tree holds no index');
    const bytes = await store.readBytes(entry.cid, { maxBytes: dependencyLimits.indexBytesMax, signal });
    return decodeIndex(bytes).index;
  } catch (error) {
    signal.throwIfAborted();
    throw mismatch(tree, error);
  }
}

const mismatch = (tree: string, cause: unknown): QuorateError =>
  new QuorateError(
    'DEPENDENCY_INDEX_MISMATCH',
    `this is not the index of the dependencies ${tree}, which the job names: ${messageOf(cause)}`,
    { hint: 'Get it again: quorate fetch <cid> -o <folder> --index-out <file>', cause },
  );
