import type { Readable } from 'node:stream';
import type { Libp2p } from '@libp2p/interface';
import type { CID } from 'multiformats/cid';
import type { Difference } from './diff.ts';
import type { WriteOptions } from './directory-write.ts';
import type { Fingerprint } from './fingerprint.ts';
import type { Pin, TrimOptions } from './pins.ts';
import type { PullOptions, PullResult } from './pull.ts';

export type { Difference } from './diff.ts';
export { cidProfile } from './files.ts';
export type { Fingerprint } from './fingerprint.ts';
export type { Pin, TrimOptions } from './pins.ts';
export type { PullOptions, PullResult } from './pull.ts';

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

/**
 * Content-addressed trees on disk. Every error is a `QuorateError` with a `STORE_*` code, or the signal's reason.
 * One process at a time may write to a store's folder.
 */
export interface Store {
  readonly public: Area;
  readonly blocks: PublicBlocks;

  /** Reads an untrusted tar archive; strict, one pass. */
  importTar(tar: Readable, options: ImportOptions): Promise<ImportedTree>;
  /**
   * Reads a folder on disk without following links; a top-level `.git` is left out. With `only` it takes these paths, as
   * far as they are there: of a folder named itself the folder, and of what is in it only what is named as well.
   */
  importDirectory(dir: string, options: ImportOptions & { only?: readonly string[] }): Promise<ImportedTree>;
  /** Stores one file's bytes, such as a log, and returns its CID. */
  importBytes(bytes: Uint8Array, options: { into: Area }): Promise<string>;

  /** The tree as a tar archive that depends on nothing but the tree; `reversed`, with its entries from last to first. */
  exportTar(root: string, options?: ReadOptions & { reversed?: boolean | undefined }): Readable;
  /** Writes the tree, verified, into a new or empty folder; all of it or nothing. */
  exportDirectory(root: string, dest: string, options?: ReadOptions & WriteOptions): Promise<void>;
  /** One file's bytes. @throws STORE_FILE_TOO_LARGE */
  readBytes(cid: string, options: ReadOptions & { maxBytes: number }): Promise<Uint8Array>;
  /** One file's bytes as a stream of verified chunks. */
  readFile(cid: string, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** The entry at a path of a tree ("" for the root), undefined when there is none. */
  resolve(root: string, path: string, options?: ReadOptions): Promise<TreeEntry | undefined>;
  /** Entries below a root, folders first, names in byte order. `hash` reads every file that has more than one chunk. */
  list(root: string, options?: ReadOptions & { hash?: boolean }): AsyncIterable<TreeEntry>;
  /** Whether every block of the DAG is in the public area; they count as used then. */
  has(root: string, signal?: AbortSignal): Promise<boolean>;
  /** What differs, opening only folders whose CIDs differ. `fromB` is the sealed area of the second tree. */
  diff(
    rootA: string,
    rootB: string,
    options: { max: number; fromA?: Area | undefined; fromB?: Area | undefined },
  ): Promise<Difference[]>;

  /** Brings a whole DAG into the public area from connected peers. */
  pull(root: string, options: PullOptions): Promise<PullResult>;

  /** Opens a sealed area, also one left by an earlier run. @param name letters, digits, ".", "_" and "-" */
  sealed(name: string): Area;
  /** Names of the sealed areas on disk. */
  sealedNames(): Promise<string[]>;
  /** Moves a sealed area's blocks to the public one. Interrupted, it can be repeated; for an area not there it does nothing. */
  publish(area: Area): Promise<void>;
  /** Removes a sealed area. */
  discard(area: Area): Promise<void>;

  /** Keeps whole public trees from `collect`. @throws STORE_BLOCK_MISSING */
  pin(roots: readonly string[], name: string): Promise<void>;
  /** Drops one name's pin, or with no name all. */
  unpin(root: string, name?: string): Promise<void>;
  pins(): Promise<Pin[]>;
  /**
   * Drops the pins of trees, the one used longest ago first, until those that are left take no more than a number of bytes;
   * gives the roots. Their blocks are removed by `collect`.
   */
  trim(options: TrimOptions): Promise<string[]>;
  /** Removes public blocks of no pinned tree, and none that an import or a pull which runs has used. */
  collect(options?: CollectOptions): Promise<{ blocks: number; bytes: number }>;

  close(): Promise<void>;
}

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
