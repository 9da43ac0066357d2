import type { Readable } from 'node:stream';
import type { WriteOptions } from './directory-write.ts';
import type { Pin, TrimOptions } from './pins.ts';
import type { PullOptions, PullResult } from './pull.ts';
import type { Difference } from './tree-diff.ts';
import type {
  Area,
  CollectOptions,
  ImportedTree,
  ImportOptions,
  PublicBlocks,
  ReadOptions,
  TreeEntry,
} from './types.ts';

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
