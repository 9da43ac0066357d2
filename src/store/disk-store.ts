import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Libp2p } from '@libp2p/interface';
import type { CID } from 'multiformats/cid';
import { rawCode } from '../protocol/base/car.ts';
import { assert, QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import { adopt } from './adopt.ts';
import type { Exchange } from './bitswap.ts';
import type { AreaIndex } from './block-index.ts';
import { BlockNotFound } from './block-not-found.ts';
import { Blocks } from './blocks.ts';
import { BoundedReader } from './bounded-reader.ts';
import { readDirectory } from './directory-read.ts';
import { type WriteOptions, writeDirectory } from './directory-write.ts';
import { unopened } from './disk.ts';
import { storeFile } from './file-import.ts';
import { LastBlockOnly } from './last-block.ts';
import { storeLimits } from './limits.ts';
import { linkTree } from './link-tree.ts';
import type { MemoryIndex } from './memory-index.ts';
import { type BlockReader, linksOf, parseCid, readBlock, statedBytes } from './nodes.ts';
import { PackFiles } from './pack-files.ts';
import { eachBlock, type Pin, Pins, type TrimOptions } from './pins.ts';
import { type PullOptions, type PullResult, pullTree } from './pull.ts';
import { type Scrubbed, type ScrubOptions, scrubBlocks } from './scrub.ts';
import type { Store } from './store.ts';
import { type ReadLimits, readTar } from './tar-read.ts';
import { writeTar } from './tar-write.ts';
import type { BuiltTree } from './tree-builder.ts';
import { resolvePath } from './tree-path.ts';
import { entryOf, fileBytes, walkTree } from './tree-walk.ts';
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

const publicArea: Area = { name: 'public', sealed: false };

/** The store in a folder: packs in `<dir>/public` and `<dir>/sealed`, and a log of pinned trees, `<dir>/pins.log`. */
export class DiskStore implements Store {
  readonly public = publicArea;
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
    const store = new DiskStore(dir, blocks);
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

  sealed(name: string): Area {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/.test(name)) {
      throw new QuorateError(
        'STORE_AREA_NAME_INVALID',
        `${JSON.stringify(name.slice(0, 120))} is not a name of a sealed area`,
        {
          hint: 'Use up to 100 letters, digits, ".", "_" and "-", not beginning with ".".',
        },
      );
    }
    return { name, sealed: true };
  }

  async sealedNames(): Promise<string[]> {
    return PackFiles.areas(join(this.#dir, 'sealed'));
  }

  #blocksOf(area: Area): Promise<Blocks<AreaIndex>> {
    return area.sealed ? this.#sealedBlocks(area) : Promise.resolve(this.#blocks);
  }

  #sealedBlocks(area: Area): Promise<Blocks<MemoryIndex>> {
    let opening = this.#sealed.get(area.name);
    if (opening === undefined) {
      opening = Blocks.openSealed(join(this.#dir, 'sealed'), area.name);
      this.#sealed.set(area.name, opening);
    }
    return opening;
  }

  async publish(area: Area): Promise<void> {
    assert(area.sealed, 'only a sealed area can be published');
    const from = await this.#sealedBlocks(area);
    await this.#during(() => adopt(this.#blocks, from));
    this.#sealed.delete(area.name);
  }

  async discard(area: Area): Promise<void> {
    assert(area.sealed, 'only a sealed area can be discarded');
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

  importTar(tar: Readable, options: ImportOptions): Promise<ImportedTree> {
    return this.#import(options, (blocks, bounds) => readTar(tar, blocks, bounds));
  }

  importDirectory(
    dir: string,
    { only, ...options }: ImportOptions & { only?: readonly string[] },
  ): Promise<ImportedTree> {
    return this.#import(options, (blocks, bounds) => readDirectory(dir, blocks, { ...bounds, only }));
  }

  #import(
    { into, maxBytes, maxEntries, maxFiles, rules, signal, ownsChunks }: ImportOptions,
    read: (blocks: Blocks<AreaIndex>, bounds: ReadLimits) => Promise<BuiltTree & { bytes: number }>,
  ): Promise<ImportedTree> {
    const bounds = {
      maxBytes: Math.min(maxBytes ?? limits.treeBytesMax, limits.treeBytesMax),
      maxEntries: Math.min(maxEntries ?? limits.treeEntriesMax, limits.treeEntriesMax),
      maxFiles,
      rules,
      signal,
      ownsChunks,
    };
    return this.#during(async () => {
      const blocks = await this.#blocksOf(into);
      const { root, files, bytes, entries } = await blocks.batch(() => read(blocks, bounds));
      return { root: root.toString(), files, bytes, entries };
    });
  }

  async importBytes(bytes: Uint8Array, { into }: { into: Area }): Promise<string> {
    const blocks = await this.#blocksOf(into);
    const { cid } = await blocks.batch(() => storeFile(blocks, bytes, false));
    return cid.toString();
  }

  async cidOf(bytes: Uint8Array): Promise<string> {
    const { cid } = await storeFile(new LastBlockOnly(), bytes, false);
    return cid.toString();
  }

  pull(root: string, options: PullOptions): Promise<PullResult> {
    return this.#during(() =>
      this.#blocks.batch(() => pullTree(this.#blocks, this.#exchange, parseCid(root), options)),
    );
  }

  // Exports

  #reader(from: Area | undefined): BlockReader {
    return from?.sealed ? new BothAreas(this.#blocksOf(from), this.#blocks) : this.#blocks;
  }

  exportTar(
    root: string,
    { signal, from, rules, reversed }: ReadOptions & { reversed?: boolean | undefined } = {},
  ): Readable {
    return writeTar(this.#reader(from), parseCid(root), { signal, rules, reversed });
  }

  exportDirectory(root: string, dest: string, options: ReadOptions & WriteOptions = {}): Promise<void> {
    return writeDirectory(this.#reader(options.from), parseCid(root), dest, options);
  }

  async readBytes(
    cid: string,
    { maxBytes, signal, from }: ReadOptions & { maxBytes: number },
  ): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of fileBytes(this.#reader(from), parseCid(cid), signal)) {
      size += chunk.length;
      if (size > maxBytes) {
        throw new QuorateError('STORE_FILE_TOO_LARGE', `the file ${cid} is over ${sizeText(maxBytes)}`);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  readFile(cid: string, { signal, from }: ReadOptions = {}): AsyncIterable<Uint8Array> {
    return fileBytes(this.#reader(from), parseCid(cid), signal);
  }

  async resolve(
    root: string,
    path: string,
    { from, signal }: Pick<ReadOptions, 'from' | 'signal'> = {},
  ): Promise<TreeEntry | undefined> {
    return resolvePath(this.#reader(from), root, path, signal);
  }

  async *list(
    root: string,
    options: ReadOptions & { hash?: boolean; atMost?: number } = {},
  ): AsyncGenerator<TreeEntry> {
    const blocks = this.#reader(options.from);
    for await (const found of walkTree(blocks, parseCid(root), options)) {
      const entry = entryOf(found);
      if (options.hash && found.kind === 'file')
        entry.sha256 = await hashOf(blocks, found.cid, options.signal);
      yield entry;
    }
  }

  async has(root: string, signal?: AbortSignal): Promise<boolean> {
    try {
      // Blocks count as used, so that no sweep removes them before the caller pins or reads the tree.
      for await (const cid of eachBlock(this.#blocks, parseCid(root), false, signal)) this.#blocks.touch(cid);
      return true;
    } catch (error) {
      if (error instanceof QuorateError && error.code === 'STORE_BLOCK_MISSING') return false;
      throw error;
    }
  }

  tree(root: string, { from }: { from?: Area | undefined } = {}): Tree {
    return { root: parseCid(root).toString(), blocks: new BoundedReader(this.#reader(from)) };
  }

  // Pins

  pinned(root: string): boolean {
    return this.#pins.has(root);
  }

  pin(roots: readonly string[], name: string): Promise<void> {
    return this.#pins.pin(roots.map(parseCid), name);
  }

  unpin(root: string, name?: string): Promise<void> {
    return this.#pins.unpin(parseCid(root), name);
  }

  async usage(): Promise<{ bytes: number; pins: number }> {
    return { bytes: await this.#blocks.files.bytes(), pins: this.#pins.size };
  }

  async pins(): Promise<Pin[]> {
    return this.#pins.list();
  }

  get mended(): readonly string[] {
    return this.#pins.mended;
  }

  trim(options: TrimOptions): Promise<string[]> {
    return this.#pins.trim(options);
  }

  collect({ graceSeconds = storeLimits.sweepGraceSeconds, signal }: CollectOptions = {}): Promise<{
    blocks: number;
    bytes: number;
  }> {
    return this.#pins.sweep(
      () => Math.min(Date.now() - graceSeconds * 1000, ...[...this.#since].map(({ ms }) => ms)),
      signal,
    );
  }

  link(root: string, dir: string, { rules, signal }: ReadOptions = {}): Promise<number> {
    return this.#during(async () => {
      const bytes = await linkTree(this.#blocks, parseCid(root), dir, { rules, signal });
      await this.#pins.compact(signal);
      return bytes;
    });
  }

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
