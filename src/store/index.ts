import type { Readable } from 'node:stream';
import type { Libp2p } from '@libp2p/interface';
import type { FirstDifference } from './file-diff.ts';
import type { Fingerprint } from './fingerprint.ts';
import type { Store } from './store.ts';
import type { Difference } from './tree-diff.ts';
import type { Tree, TreeEntry } from './types.ts';

export type { StoreErrorCode } from './error-codes.ts';
export type { FirstDifference } from './file-diff.ts';
export type { Fingerprint } from './fingerprint.ts';
export { LongWork, sha256InSlices } from './long-work.ts';
export type { Pin, TrimOptions } from './pins.ts';
export { PinsIncomplete } from './pins-incomplete.ts';
export type { PullOptions, PullResult } from './pull.ts';
export type { Store } from './store.ts';
export type { Difference } from './tree-diff.ts';
export type {
  Area,
  CollectOptions,
  ImportedTree,
  ImportOptions,
  PublicBlocks,
  ReadOptions,
  Tree,
  TreeEntry,
  TreeRules,
} from './types.ts';

/**
 * Opens the store in a folder, creating it when missing. With `libp2p` the public area is served to peers and trees can be
 * pulled from them; without it the store is offline and loads no network code.
 * @throws STORE_IN_USE, HOME_NEWER, STORE_UNWRITABLE
 */
export async function openStore(options: { dir: string; libp2p?: Libp2p | undefined }): Promise<Store> {
  const { DiskStore } = await import('./disk-store.ts');
  return DiskStore.open(options.dir, options.libp2p);
}

/** The fingerprint of a file or folder (`fingerprint.ts`). Loads no network code. */
export async function fingerprintOf(path: string, signal?: AbortSignal): Promise<Fingerprint> {
  const { fingerprint } = await import('./fingerprint.ts');
  return fingerprint(path, signal);
}

/** The differences of two trees, of one store or of two (`tree-diff.ts`). */
export async function* diffTrees(a: Tree, b: Tree, signal?: AbortSignal): AsyncGenerator<Difference> {
  const { diffTrees: differences } = await import('./tree-diff.ts');
  yield* differences(a, b, signal);
}

/** First difference of two files (`file-diff.ts`). */
export async function firstDifference(
  a: Tree,
  b: Tree,
  signal?: AbortSignal,
): Promise<FirstDifference | undefined> {
  const { firstDifference: first } = await import('./file-diff.ts');
  return first(a, b, signal);
}

/** Some files of a tree as a tar archive, for a sandbox. */
export async function filesTar(
  tree: Tree,
  files: readonly TreeEntry[],
  signal?: AbortSignal,
): Promise<Readable> {
  const { writeFilesTar } = await import('./tar-write.ts');
  return writeFilesTar(tree, files, signal);
}

/** The entry at a path of a tree ("" is the root); undefined when there is none. */
export async function entryAt({ root, blocks }: Tree, path: string): Promise<TreeEntry | undefined> {
  const { resolvePath } = await import('./tree-path.ts');
  return resolvePath(blocks, root, path);
}

/** The entries of a folder, named by the root of a tree. */
export async function entriesIn({ root, blocks }: Tree): Promise<TreeEntry[]> {
  const { folderEntries } = await import('./tree-path.ts');
  return folderEntries(blocks, root);
}

/** The bytes of a file, named by the root of a tree, as a stream of verified chunks. */
export async function* fileContent({ root, blocks }: Tree, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const [{ fileBytes }, { parseCid }] = [await import('./tree-walk.ts'), await import('./nodes.ts')];
  yield* fileBytes(blocks, parseCid(root), signal);
}
