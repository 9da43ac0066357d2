import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Libp2p } from '@libp2p/interface';
import type { CID } from 'multiformats/cid';
import { rawCode } from '../protocol/base/car.ts';
import { assert, codeOf, QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { limits } from '../protocol/base/limits.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import { wholeBytes } from '../protocol/base/whole-bytes.ts';
import type { Exchange } from './bitswap.ts';
import type { AreaIndex } from './block-index.ts';
import { Blocks } from './blocks.ts';
import { readDirectory } from './directory-read.ts';
import { type WriteOptions, writeDirectory } from './directory-write.ts';
import { unopened } from './disk.ts';
import { LastBlockOnly, storeFile } from './file-import.ts';
import { storeLimits } from './limits.ts';
import { linkTree } from './link-tree.ts';
import type { MemoryIndex } from './memory-index.ts';
import {
  BlockNotFound,
  type BlockReader,
  BoundedReader,
  linksOf,
  parseCid,
  readBlock,
  statedBytes,
} from './nodes.ts';
import { PackFiles } from './pack-files.ts';
import { eachBlock, type Pin, Pins, type TrimOptions } from './pins.ts';
import { type PullOptions, type PullResult, pullTree } from './pull.ts';
import { type Scrubbed, type ScrubOptions, scrubBlocks } from './sweep.ts';
import { type ReadLimits, readTar } from './tar-read.ts';
import { writeTar } from './tar-write.ts';
import { tellingNodes } from './telling-nodes.ts';
import type { BuiltTree } from './tree-builder.ts';
import { entryAt } from './tree-path.ts';
import { entryOf, fileBytes, walkTree } from './tree-walk.ts';
import type {
  Area,
  ImportedTree,
  ImportOptions,
  PublicBlocks,
  ReadOptions,
  Tree,
  TreeEntry,
} from './types.ts';

/**
 * Content-addressed trees in a folder: packs in `<dir>/public` and `<dir>/sealed`, and a log of pinned trees, `<dir>/pins.log`. Every
 * error is a `QuorateError` with a `STORE_*` code, or the signal's reason. One process at a time may write to the folder.
 */
export class Store {
  readonly public: Area = { name: 'public', sealed: false };
  readonly blocks: PublicBlocks;
  readonly #dir: string;
  readonly #blocks: Blocks;
  readonly #pins: Pins;
  readonly #sealed = new Map<string, Promise<Blocks<MemoryIndex>>>();
  /** Start of each running import or pull: blocks used since are not swept. */
  readonly #since = new Set<{ ms: number }>();
  #exchange: Exchange | undefined;

  private constructor(dir: string, blocks: Blocks) {
    this.#dir = dir;
    this.#blocks = blocks;
    this.#pins = new Pins(join(dir, 'pins.log'), blocks);
    blocks.onAsked = (cid) => this.#pins.asked(cid);
    this.blocks = {
      parse: parseCid,
      read: (cid, alloc) => readBlock(blocks, cid, alloc),
      links: linksOf,
      statedBytes,
      touch: (cid) => (blocks.touch(cid) ? blocks.size(cid) : undefined),
      asked: (cid) => this.#pins.asked(cid),
      put: (cid, bytes) => blocks.take(cid, bytes),
      during: (work) => this.#during(() => blocks.batch(work)),
    };
  }

  static async open(dir: string, libp2p?: Libp2p): Promise<Store> {
    const blocks = await Blocks.open(join(dir, 'public')).catch((error: unknown) => {
      throw unopened(error, dir);
    });
    const store = new Store(dir, blocks);
    await mkdir(join(dir, 'sealed'), { recursive: true, mode: 0o700 });
    try {
      await store.#pins.open(join(dir, 'pins'));
      if (libp2p !== undefined) {
        const { startExchange } = await import('./bitswap.ts');
        store.#exchange = await startExchange(libp2p, store.#blocks);
      }
    } catch (error) {
      // Else it would be in use for as long as this process lives.
      await store.close();
      throw error;
    }
    return store;
  }

  async close(): Promise<void> {
    await this.#exchange?.stop();
    this.#exchange = undefined;
    for (const opening of this.#sealed.values()) await (await opening).close();
    this.#sealed.clear();
    await this.#pins.close();
    await this.#blocks.close();
  }

  // Areas

  /** Opens a sealed area, also one of an earlier process. @param name letters, digits, ".", "_" and "-" */
  sealed(name: string): Area {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/.test(name)) {
      throw new QuorateError('STORE_AREA_NAME_INVALID', `${printable(name)} is not a name of a sealed area`, {
        hint: 'Use up to 100 letters, digits, ".", "_" and "-", not beginning with ".".',
      });
    }
    return { name, sealed: true };
  }

  async sealedNames(): Promise<string[]> {
    return PackFiles.areas(join(this.#dir, 'sealed'));
  }

  #blocksOf(area: Area): Promise<Blocks<AreaIndex>> {
    return area.sealed ? this.#sealedBlocks(area) : Promise.resolve(this.#blocks);
  }

  #sealedBlocks({ name, sealed }: Area): Promise<Blocks<MemoryIndex>> {
    assert(sealed, 'only a sealed area is published or discarded');
    const opening = this.#sealed.get(name) ?? Blocks.openSealed(join(this.#dir, 'sealed'), name);
    this.#sealed.set(name, opening);
    return opening;
  }

  /** Moves a sealed area's blocks to the public area. An interrupted call can be repeated. */
  async publish(area: Area): Promise<void> {
    const from = await this.#sealedBlocks(area);
    await this.#during(() => this.#blocks.adopt(from));
    this.#sealed.delete(area.name);
  }

  async discard(area: Area): Promise<void> {
    const blocks = this.#sealedBlocks(area);
    this.#sealed.delete(area.name);
    await (await blocks).discard();
  }

  async #during<T>(work: () => Promise<T>): Promise<T> {
    const since = { ms: Date.now() };
    this.#since.add(since);
    try {
      return await work();
    } finally {
      this.#since.delete(since);
    }
  }

  // Imports

  /** Imports an untrusted tar archive, in one pass. */
  importTar(tar: Readable, options: ImportOptions): Promise<ImportedTree> {
    return this.#import(options, (blocks, bounds) => readTar(tar, blocks, bounds));
  }

  /**
   * Imports a folder on disk without following links and without a top-level `.git`. With `only` it takes these paths as far as they exist:
   * a listed folder is taken without its entries, except those that are listed too.
   */
  importDirectory(
    dir: string,
    { only, ...options }: ImportOptions & { only?: readonly string[] },
  ): Promise<ImportedTree> {
    return this.#import(options, (blocks, bounds) => readDirectory(dir, blocks, { ...bounds, only }));
  }

  #import(
    { into, maxBytes = limits.treeBytesMax, maxEntries = limits.treeEntriesMax, ...options }: ImportOptions,
    read: (blocks: Blocks<AreaIndex>, bounds: ReadLimits) => Promise<BuiltTree & { bytes: number }>,
  ): Promise<ImportedTree> {
    const bounds = {
      ...options,
      maxBytes: Math.min(maxBytes, limits.treeBytesMax),
      maxEntries: Math.min(maxEntries, limits.treeEntriesMax),
    };
    return this.#during(async () => {
      const blocks = await this.#blocksOf(into);
      const { root, files, bytes, entries } = await blocks.batch(() => read(blocks, bounds));
      return { root: root.toString(), files, bytes, entries };
    });
  }

  /** Stores one file, such as a log. Returns its CID. */
  async importBytes(bytes: Uint8Array, { into }: { into: Area }): Promise<string> {
    const blocks = await this.#blocksOf(into);
    const { cid } = await blocks.batch(() => storeFile(blocks, bytes, false));
    return cid.toString();
  }

  /** The CID that `importBytes` gives. Stores nothing. */
  async cidOf(bytes: Uint8Array): Promise<string> {
    const { cid } = await storeFile(new LastBlockOnly(), bytes, false);
    return cid.toString();
  }

  /** Fetches a whole DAG into the public area from connected peers. */
  pull(root: string, options: PullOptions): Promise<PullResult> {
    return this.#during(() =>
      this.#blocks.batch(() => pullTree(this.#blocks, this.#exchange, parseCid(root), options)),
    );
  }

  // Exports

  #reader({ from, nodes }: Pick<ReadOptions, 'from' | 'nodes'>): BlockReader {
    const blocks = from?.sealed ? new BothAreas(this.#blocksOf(from), this.#blocks) : this.#blocks;
    if (nodes === undefined) return blocks;
    return { read: tellingNodes(blocks, nodes), size: (cid) => blocks.size(cid) };
  }

  /** The tree as a tar archive that depends on the tree only. `reversed`: entries from last to first. */
  exportTar(root: string, options: ReadOptions & { reversed?: boolean } = {}): Readable {
    return writeTar(this.#reader(options), parseCid(root), options);
  }

  /** Writes the tree, verified, into a new or empty folder; on failure the folder is left as it was. */
  exportDirectory(root: string, dest: string, options: ReadOptions & WriteOptions = {}): Promise<void> {
    return writeDirectory(this.#reader(options), parseCid(root), dest, options);
  }

  /** One file's bytes. @throws STORE_FILE_TOO_LARGE */
  async readBytes(cid: string, options: ReadOptions & { maxBytes: number }): Promise<Uint8Array> {
    const { maxBytes } = options;
    const tooLong = () =>
      new QuorateError('STORE_FILE_TOO_LARGE', `the file ${cid} is over ${sizeText(maxBytes)}`);
    return wholeBytes(this.readFile(cid, options), maxBytes, tooLong);
  }

  /** One file's bytes, or those after the first `skip`, as a stream of verified chunks. */
  readFile(cid: string, options: ReadOptions & { skip?: number } = {}): AsyncIterable<Uint8Array> {
    const { signal, skip } = options;
    return fileBytes(this.#reader(options), parseCid(cid), signal, skip);
  }

  /** The entry at a path of a tree ("" is the root); undefined when there is none. Reads a block for each level. */
  async resolve(
    root: string,
    path: string,
    options: Omit<ReadOptions, 'rules'> = {},
  ): Promise<TreeEntry | undefined> {
    return entryAt({ root, blocks: this.#reader(options) }, path, options.signal);
  }

  /**
   * Entries below a root, folders first, names in byte order. `hash` reads every file that has more than one chunk. `atMost`: of each
   * folder no more entries than this, so that the first ones of a tree cost the same whatever else is in it.
   */
  async *list(
    root: string,
    options: ReadOptions & { hash?: boolean; atMost?: number } = {},
  ): AsyncGenerator<TreeEntry> {
    const blocks = this.#reader(options);
    for await (const found of walkTree(blocks, parseCid(root), options)) {
      const entry = entryOf(found);
      if (options.hash && found.kind === 'file')
        entry.sha256 = await hashOf(blocks, found.cid, options.signal);
      yield entry;
    }
  }

  /** Whether all blocks of the DAG are in the public area; marks them as used. */
  async has(root: string, signal?: AbortSignal): Promise<boolean> {
    try {
      // Blocks count as used, so that no sweep removes them before the caller pins or reads the tree.
      for await (const cid of eachBlock(this.#blocks, parseCid(root), false, signal)) this.#blocks.touch(cid);
      return true;
    } catch (error) {
      if (codeOf(error) === 'STORE_BLOCK_MISSING') return false;
      throw error;
    }
  }

  /** A tree to compare with another (`diffTrees`). `from` is a sealed area that holds it. @throws STORE_CID_REFUSED */
  tree(root: string, { from }: { from?: Area } = {}): Tree {
    return { root: parseCid(root).toString(), blocks: new BoundedReader(this.#reader({ from })) };
  }

  // Pins

  /** Whether a tree is pinned, so that all of it is here unless the disk is damaged. */
  pinned(root: string): boolean {
    return this.#pins.has(root);
  }

  /** Keeps whole public trees until they are unpinned. @throws STORE_BLOCK_MISSING */
  pin(roots: readonly string[], name: string): Promise<void> {
    return this.#pins.pin(roots.map(parseCid), name);
  }

  /** Drops the pin of one name, or all pins of the root. */
  unpin(root: string, name?: string): Promise<void> {
    return this.#pins.unpin(parseCid(root), name);
  }

  /** Bytes of the public area on disk, and pinned trees. Costs a look at each file, not at each block. */
  async usage(): Promise<{ bytes: number; pins: number }> {
    return { bytes: await this.#blocks.files.bytes(), pins: this.#pins.size };
  }

  async pins(): Promise<Pin[]> {
    return this.#pins.list();
  }

  /** Lines of the list of pins that were damaged and put right when it was opened. */
  get mended(): readonly string[] {
    return this.#pins.mended;
  }

  /**
   * Drops pins, the least recently used tree first, until the rest is within a number of bytes. Returns the roots, whose blocks `collect`
   * removes.
   */
  trim(options: TrimOptions): Promise<string[]> {
    return this.#pins.trim(options);
  }

  /**
   * Removes public blocks of no pinned tree that no running import or pull used; nothing where a pinned tree is not whole. @throws
   * PinsIncomplete
   */
  collect(options: { graceSeconds?: number; signal?: AbortSignal } = {}) {
    const { graceSeconds = storeLimits.sweepGraceSeconds, signal } = options;
    const usedBefore = () =>
      Math.min(Date.now() - graceSeconds * 1000, ...[...this.#since].map(({ ms }) => ms));
    return this.#pins.sweep(usedBefore, signal);
  }

  /**
   * Keeps the chunks of the larger files of a public tree in the files of a folder, which is a synced export of it, by hard links. The
   * folder may be moved or removed, and must not be changed. Returns the bytes that are kept so: 0 where it is on another file system.
   */
  link(root: string, dir: string, options: ReadOptions = {}): Promise<number> {
    return this.#during(async () => {
      const bytes = await linkTree(this.#blocks, parseCid(root), dir, options);
      await this.#pins.compact(options.signal);
      return bytes;
    });
  }

  /** Reads every public block and compares it with its hash. Damaged ones are removed, so that they are fetched again. */
  scrub(options: ScrubOptions): Promise<Scrubbed> {
    return scrubBlocks(this.#blocks, options);
  }
}

class BothAreas implements BlockReader {
  readonly #first: Promise<Blocks<AreaIndex>>;
  readonly #second: Blocks;

  constructor(first: Promise<Blocks<AreaIndex>>, second: Blocks) {
    this.#first = first;
    this.#second = second;
  }

  async read(cid: CID): Promise<Uint8Array> {
    try {
      return await (await this.#first).read(cid);
    } catch (error) {
      if (!(error instanceof BlockNotFound)) throw error;
      return this.#second.read(cid);
    }
  }

  async size(cid: CID): Promise<number | undefined> {
    return (await (await this.#first).size(cid)) ?? this.#second.size(cid);
  }
}

async function hashOf(blocks: BlockReader, cid: CID, signal?: AbortSignal): Promise<string> {
  // The digest of a raw block's CID is the sha256 of the file.
  if (cid.code === rawCode) return Buffer.from(cid.multihash.digest).toString('hex');
  const hash = createHash('sha256');
  for await (const chunk of fileBytes(blocks, cid, signal)) hash.update(chunk);
  return hash.digest('hex');
}
