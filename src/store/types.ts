import type { CID } from 'multiformats/cid';
import type { BlockReader } from './nodes.ts';

/** A set of blocks: the public area is served to peers, a sealed area is not. */
export interface Area {
  /** `public`, or the name a sealed area was opened with. */
  readonly name: string;
  readonly sealed: boolean;
}

export interface TreeEntry {
  /** Relative to the root, separated by "/". */
  path: string;
  kind: 'file' | 'dir' | 'link';
  /** Bytes of a file, 0 otherwise. */
  size: number;
  executable: boolean;
  cid: string;
  /** sha256 of a file's content in hexadecimal; with `hash: true` only. */
  sha256?: string;
  target?: string;
}

/** A tree, or a single file, and a reader of the store that it is in, which must stay open. What it reads in all is bounded. */
export interface Tree {
  /** CID. */
  readonly root: string;
  readonly blocks: BlockReader;
}

export interface ImportedTree {
  /** CID of the tree: version 1, base32. */
  root: string;
  /** In the order of paths. */
  files: { path: string; sha256: string; size: number }[];
  /** Bytes of file content. */
  bytes: number;
  /** Number of files, folders and links. */
  entries: number;
}

/**
 * Rules for names and links of a tree. `portable`: names valid on every file system, links that stay inside. `image`: names valid on
 * Linux, and relative links that may lead outside as text: the kernel resolves them within the root of the build.
 */
export type TreeRules = 'portable' | 'image';

export interface ImportOptions {
  into: Area;
  /** Limit in bytes of file content. */
  maxBytes?: number | undefined;
  /** Of files, folders and links. */
  maxEntries?: number | undefined;
  /** Limit for files alone. Default: none. */
  maxFiles?: number | undefined;
  /** Default: `portable`. */
  rules?: TreeRules | undefined;
  signal?: AbortSignal | undefined;
  /** Of an archive: its chunks are nobody else's, so that their memory may be taken over. Default: false. */
  ownsChunks?: boolean | undefined;
}

export interface ReadOptions {
  signal?: AbortSignal | undefined;
  /** A sealed area to read from besides the public one. */
  from?: Area | undefined;
  /** Default: `portable`. */
  rules?: TreeRules | undefined;
  nodes?: TellNode | undefined;
}

/** Called with the bytes of each node, a block with links, before it is decoded. Whoever reads waits for the answer. */
export type TellNode = (bytes: number) => unknown;

/** The blocks of the public area, for transfer over the network. */
export interface PublicBlocks {
  /** @throws STORE_CID_REFUSED */
  parse(cid: string): CID;
  /** Verified bytes; `alloc` gives the memory for bytes read from disk. @throws STORE_BLOCK_MISSING */
  read(cid: CID, alloc?: (size: number) => Uint8Array): Promise<Uint8Array>;
  /** Links of a block, in its order. @throws STORE_TREE_MALFORMED, STORE_CID_REFUSED */
  links(cid: CID, bytes: Uint8Array): CID[];
  /** Bytes of the tree below a block as stated in the block: unverified, for display only. */
  statedBytes(cid: CID, bytes: Uint8Array): number;
  /** Bytes of a block that is here, and marks it as used; undefined when it is not here. */
  touch(cid: CID): number | undefined;
  /** Records that a peer asks for it. If it is the root of a pinned tree, the tree counts as used now for `trim`. */
  asked(cid: CID): void;
  /**
   * Adds a block whose hash the caller has checked, and takes over the memory of `bytes`. Resolves when the next one can be added.
   * @throws STORE_DISK_FULL
   */
  put(cid: CID, bytes: Uint8Array): Promise<unknown>;
  /** Runs work that puts blocks. They are not swept meanwhile and are written when it resolves. @throws STORE_DISK_FULL */
  during<T>(work: () => Promise<T>): Promise<T>;
}
