import type { CID } from 'multiformats/cid';

/** Where blocks lie: the public area is what peers are served, a sealed one is invisible to them. */
export interface Area {
  /** `public`, or the name a sealed area was opened with. */
  readonly name: string;
  readonly sealed: boolean;
}

export interface TreeEntry {
  /** Relative to the root, "/" between parts. */
  path: string;
  kind: 'file' | 'dir' | 'link';
  /** Bytes of a file, 0 otherwise. */
  size: number;
  executable: boolean;
  cid: string;
  /** Hex, of a file's content; with `hash: true` only. */
  sha256?: string;
  /** Of a link. */
  target?: string;
}

export interface ImportedTree {
  /** CID of the tree: version 1, base32. */
  root: string;
  /** In path order. */
  files: { path: string; sha256: string; size: number }[];
  /** Of file content. */
  bytes: number;
  /** Files, folders and links. */
  entries: number;
}

/**
 * What names and links of a tree may be. `portable`: what can lie on every file system, and links that stay inside.
 * `image`: what Linux can use as its root, where names may differ in case only and the kernel keeps links inside.
 */
export type TreeRules = 'portable' | 'image';

export interface ImportOptions {
  into: Area;
  /** Of file content. */
  maxBytes?: number | undefined;
  maxEntries?: number | undefined;
  /** `portable` unless told. */
  rules?: TreeRules | undefined;
  signal?: AbortSignal | undefined;
}

export interface ReadOptions {
  signal?: AbortSignal | undefined;
  /** A sealed area to look in besides the public one, which is the only one seen otherwise. */
  from?: Area | undefined;
  /** `portable` unless told. */
  rules?: TreeRules | undefined;
}

export interface CollectOptions {
  /** Blocks used this recently stay. */
  graceSeconds?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** The public area's blocks, for whoever moves them over the network. Sealed ones are not among them. */
export interface PublicBlocks {
  /** @throws STORE_CID_REFUSED */
  parse(cid: string): CID;
  /** Verified bytes, in memory from `alloc` where they have to be read. @throws STORE_BLOCK_MISSING */
  read(cid: CID, alloc?: (size: number) => Uint8Array): Promise<Uint8Array>;
  /** In the order they stand in the block. @throws STORE_TREE_MALFORMED, STORE_CID_REFUSED */
  links(cid: CID, bytes: Uint8Array): CID[];
  /** Bytes of the whole tree below a block, as who made it says: for a display, never for a decision. */
  statedBytes(cid: CID, bytes: Uint8Array): number;
  /** Bytes of a block that is here, which then counts as used; undefined when it is not. */
  touch(cid: CID): number | undefined;
  /** A peer asks for it: where it is the root of a pinned tree, that tree is used now, and `trim` drops it later. */
  asked(cid: CID): void;
  /**
   * Takes a block whose hash the caller has checked, and its memory, which the caller must not look at again; resolves
   * when there is room for the next. @throws STORE_DISK_FULL
   */
  put(cid: CID, bytes: Uint8Array): Promise<unknown>;
  /** Runs work that puts blocks: none of them is swept meanwhile, all are in their files when it ends. @throws STORE_DISK_FULL */
  during<T>(work: () => Promise<T>): Promise<T>;
}
