import type { Libp2p } from '@libp2p/interface';
import type { Fingerprint } from './fingerprint.ts';
import type { Store } from './store.ts';

export { cidProfile } from './file-import.ts';
export type { Fingerprint } from './fingerprint.ts';
export type { Pin, TrimOptions } from './pins.ts';
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
  TreeEntry,
  TreeRules,
} from './types.ts';

/**
 * Opens the store in a folder, making it when missing. With `libp2p` the public area is served to its peers and trees can
 * be pulled from them; without, the store is offline and no network code is loaded.
 */
export async function openStore(options: { dir: string; libp2p?: Libp2p | undefined }): Promise<Store> {
  const { DiskStore } = await import('./disk-store.ts');
  return DiskStore.open(options.dir, options.libp2p);
}

/** See `fingerprint.ts`; here so that no network code is loaded with it. */
export async function fingerprintOf(path: string, signal?: AbortSignal): Promise<Fingerprint> {
  const { fingerprint } = await import('./fingerprint.ts');
  return fingerprint(path, signal);
}
