import type { Libp2p } from '@libp2p/interface';
import type { Store } from './store.ts';

export type { StoreErrorCode } from './error-codes.ts';
export { LongWork, sha256InSlices } from './long-work.ts';
export type { Pin } from './pins.ts';
export { PinsIncomplete } from './pins-incomplete.ts';
export type { Store } from './store.ts';
export { tellingNodes } from './telling-nodes.ts';
export type * from './types.ts';

/**
 * Opens the store in a folder, creating it when missing. With `libp2p` the public area is served to peers and trees can be
 * pulled from them; without it the store is offline and loads no network code.
 * @throws STORE_IN_USE, HOME_NEWER, STORE_UNWRITABLE
 */
export async function openStore(options: { dir: string; libp2p?: Libp2p | undefined }): Promise<Store> {
  const { Store } = await import('./store.ts');
  return Store.open(options.dir, options.libp2p);
}
