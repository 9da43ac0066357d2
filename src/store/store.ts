import type { Readable } from 'node:stream';
import type { WriteOptions } from './directory-write.ts';
import type { Pin, TrimOptions } from './pins.ts';
import type { PullOptions, PullResult } from './pull.ts';
import type { Scrubbed, ScrubOptions } from './scrub.ts';
import type {
  Area,
  CollectOptions,
  ImportedTree,
  ImportOptions,
  PublicBlocks,
  ReadOptions,
  Tree,
  TreeEntry,
} from './types.ts';

/**
 * Content-addressed trees on disk. Every error is a `QuorateError` with a `STORE_*` code, or the signal's reason.
 * One process at a time may write to a store's folder.
 */
export interface Store {
  readonly public: Area;
  readonly blocks: PublicBlocks;

  /** Imports an untrusted tar archive, in one pass. */
  importTar(tar: Readable, options: ImportOptions): Promise<ImportedTree>;
  /**
   * Imports a folder on disk without following links and without a top-level `.git`. With `only` it takes these paths as
   * far as they exist: a listed folder is taken without its entries, except those that are listed too.
   */
  importDirectory(dir: string, options: ImportOptions & { only?: readonly string[] }): Promise<ImportedTree>;
  /** Stores one file, such as a log. Returns its CID. */
  importBytes(bytes: Uint8Array, options: { into: Area }): Promise<string>;
  /** The CID that `importBytes` gives, and stores nothing. */
  cidOf(bytes: Uint8Array): Promise<string>;

  /** The tree as a tar archive that depends on the tree only. `reversed`: entries from last to first. */
  exportTar(root: string, options?: ReadOptions & { reversed?: boolean | undefined }): Readable;
  /** Writes the tree, verified, into a new or empty folder; on failure the folder is left as it was. */
  exportDirectory(root: string, dest: string, options?: ReadOptions & WriteOptions): Promise<void>;
  /** One file's bytes. @throws STORE_FILE_TOO_LARGE */
  readBytes(cid: string, options: ReadOptions & { maxBytes: number }): Promise<Uint8Array>;
  /** One file's bytes as a stream of verified chunks. */
  readFile(cid: string, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** The entry at a path of a tree ("" is the root); undefined when there is none. Reads a block for each level. */
  resolve(
    root: string,
    path: string,
    options?: Pick<ReadOptions, 'from' | 'signal'>,
  ): Promise<TreeEntry | undefined>;
  /**
   * Entries below a root, folders first, names in byte order. `hash` reads every file that has more than one chunk. `atMost`: of each
   * folder no more entries than this, so that the first ones of a tree cost the same whatever else is in it.
   */
  list(root: string, options?: ReadOptions & { hash?: boolean; atMost?: number }): AsyncIterable<TreeEntry>;
  /** Whether all blocks of the DAG are in the public area; marks them as used. */
  has(root: string, signal?: AbortSignal): Promise<boolean>;
  /** A tree to compare with another (`diffTrees`). `from` is a sealed area that holds it. @throws STORE_CID_REFUSED */
  tree(root: string, options?: { from?: Area | undefined }): Tree;

  /** Fetches a whole DAG into the public area from connected peers. */
  pull(root: string, options: PullOptions): Promise<PullResult>;

  /** Opens a sealed area, also one of an earlier process. @param name letters, digits, ".", "_" and "-" */
  sealed(name: string): Area;
  /** Names of the sealed areas on disk. */
  sealedNames(): Promise<string[]>;
  /** Moves a sealed area's blocks to the public area. Idempotent: an interrupted call can be repeated. */
  publish(area: Area): Promise<void>;
  /** Removes a sealed area. */
  discard(area: Area): Promise<void>;

  /** Whether a tree is pinned, so that all of it is here unless the disk is damaged. */
  pinned(root: string): boolean;
  /** Keeps whole public trees until they are unpinned. @throws STORE_BLOCK_MISSING */
  pin(roots: readonly string[], name: string): Promise<void>;
  /** Drops the pin of one name, or all pins of the root. */
  unpin(root: string, name?: string): Promise<void>;
  pins(): Promise<Pin[]>;
  /** Lines of the list of pins that were damaged and put right when it was opened. */
  readonly mended: readonly string[];
  /** Bytes of the public area on disk, and pinned trees. Costs a look at each file, not at each block. */
  usage(): Promise<{ bytes: number; pins: number }>;
  /**
   * Drops the pins of trees, the least recently used first, until the rest is within a number of bytes. Returns the roots.
   * `collect` removes their blocks.
   */
  trim(options: TrimOptions): Promise<string[]>;
  /**
   * Removes public blocks that belong to no pinned tree and were not used by a running import or pull; nothing where a pinned
   * tree is not whole. @throws PinsIncomplete
   */
  collect(options?: CollectOptions): Promise<{ blocks: number; bytes: number }>;
  /** Reads every public block and compares it with its hash. Damaged ones are removed, so that they are fetched again. */
  scrub(options: ScrubOptions): Promise<Scrubbed>;

  /**
   * Keeps the chunks of the larger files of a public tree in the files of a folder, which is a synced export of it: by hard links, in
   * place of a copy. The folder may be moved or removed afterwards, and must not be changed. Returns the bytes that are kept so: 0
   * where the folder is on another file system.
   */
  link(root: string, dir: string, options?: ReadOptions): Promise<number>;

  close(): Promise<void>;
}
