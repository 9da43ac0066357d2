import { hash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BaseBlockstore } from 'blockstore-core';
import type { Pair } from 'interface-blockstore';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { rawCode } from '../core/car.ts';
import { assert, QuorateError } from '../core/errors.ts';
import { BlockIndex, IndexDamaged, type Place } from './block-index.ts';
import { diskError } from './disk.ts';
import { storeLimits } from './limits.ts';
import { PackFiles } from './pack-files.ts';
import { PackWriter } from './pack-writer.ts';

const sha256Code = 0x12;

/** Not a coded error: Bitswap looks for this name to answer "do not have" instead of dropping the peer's other wants. */
export class BlockNotFound extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NotFoundError';
  }
}

/**
 * The blocks of one area: packs in a folder, and an index of them. A block is its sha2-256; its bytes are hashed
 * again whenever they are read, so a block that the disk lost is reported, never used.
 */
export class Blocks extends BaseBlockstore {
  readonly dir: string;
  readonly index: BlockIndex;
  readonly files: PackFiles;
  readonly writer: PackWriter;
  /** Told of each block that a peer gets by Bitswap. */
  onAsked: (cid: CID) => void = () => {};
  #closing: Promise<void> | undefined;

  private constructor(dir: string, index: BlockIndex, files: PackFiles, packs: ReadonlyMap<number, number>) {
    super();
    this.dir = dir;
    this.index = index;
    this.files = files;
    this.writer = new PackWriter(files, index, packs);
  }

  /**
   * Opens a folder of blocks, making it when missing, and cuts off what an earlier run left half written.
   * @param keepIndex on disk, for many blocks; otherwise it is read from the packs, which suits the few of a sealed area
   * @throws STORE_IN_USE, STORE_NEWER, STORE_UNWRITABLE
   */
  static async open(dir: string, { keepIndex }: { keepIndex: boolean }): Promise<Blocks> {
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new QuorateError('STORE_UNWRITABLE', `cannot make ${dir}: ${(cause as Error).message}`, {
        hint: 'The folder must be writable by you and lie on a disk with room.',
        cause,
      });
    }
    const index = await openIndex(keepIndex ? join(dir, 'index.db') : ':memory:');
    const files = new PackFiles(dir);
    return new Blocks(dir, index, files, await reconcile(files, index));
  }

  /** True when the block is here; marks it as used now, which keeps it from a sweep. Synchronous so as not to race one. */
  touch(cid: CID): boolean {
    return cid.multihash.code === sha256Code && this.index.touch(cid.multihash.digest, Date.now());
  }

  override has(cid: CID): boolean {
    return this.#find(cid) !== undefined;
  }

  /** Bytes of a block, undefined when it is not here. */
  size(cid: CID): number | undefined {
    return this.#find(cid)?.size;
  }

  #find(cid: CID): Place | undefined {
    return cid.multihash.code === sha256Code ? this.index.find(cid.multihash.digest) : undefined;
  }

  /**
   * Takes a block whose hash the caller has checked. It can be read at once; `batch` and `sync` say when it is in its
   * file and on the disk. @throws STORE_DISK_FULL
   */
  override async put(
    cid: CID,
    value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<CID> {
    if (this.touch(cid)) return cid;
    const bytes = value instanceof Uint8Array ? value : await concat(value);
    try {
      if (!this.touch(cid)) this.writer.append(cid, bytes, { used: Date.now() });
    } catch (error) {
      throw diskError(error, this.dir);
    }
    if (this.writer.unwrittenBytes > storeLimits.packUnwrittenBytesMax) await this.writer.flush();
    return cid;
  }

  /** As `put`, for bytes whose memory the caller gives up: it is free again as soon as they are written. @throws STORE_DISK_FULL */
  async take(cid: CID, bytes: Uint8Array): Promise<void> {
    if (this.touch(cid)) return;
    try {
      // The CIDs that were read in a node lie in its memory, and are still to be asked for.
      this.writer.append(cid, bytes, { used: Date.now(), isOwned: cid.code === rawCode });
    } catch (error) {
      throw diskError(error, this.dir);
    }
    if (this.writer.unwrittenBytes > storeLimits.packUnwrittenBytesMax) await this.writer.flush();
  }

  /** Gives a block that is here a new place, as unused as it was. */
  move(cid: CID, bytes: Uint8Array): void {
    const place = this.index.find(cid.multihash.digest);
    assert(place !== undefined, 'what is moved is here');
    this.writer.append(cid, bytes, { used: place.used });
  }

  /** The verified bytes. @throws BlockNotFound also for a block that no longer has its hash, which is removed */
  async read(cid: CID, alloc?: (size: number) => Uint8Array): Promise<Uint8Array> {
    for (;;) {
      const place = this.#find(cid);
      if (place === undefined) throw new BlockNotFound(`block ${cid} is not here`);
      const unwritten = this.writer.unwritten(place);
      if (unwritten !== undefined) return unwritten;
      const bytes = await this.files.read(place.pack, place.at, place.size, alloc);
      if (bytes !== undefined && hashMatches(cid, bytes)) return bytes;
      const now = this.#find(cid);
      // Moved by a sweep meanwhile: look again.
      if (now !== undefined && (now.pack !== place.pack || now.at !== place.at)) continue;
      this.index.remove(cid.multihash.digest, place);
      throw new BlockNotFound(`block ${cid} was damaged on disk and is removed`);
    }
  }

  override async *get(cid: CID): AsyncGenerator<Uint8Array> {
    this.onAsked(cid);
    yield await this.read(cid);
  }

  override delete(cid: CID): void {
    const place = this.#find(cid);
    if (place !== undefined) this.index.remove(cid.multihash.digest, place);
  }

  override async *getAll(): AsyncGenerator<Pair> {
    for (const { digest, codec } of this.index.rows()) {
      const cid = CID.createV1(codec, createDigest(sha256Code, digest));
      yield { cid, bytes: this.get(cid) };
    }
  }

  /** Runs work that puts blocks, and ends when all are in their files. @throws STORE_DISK_FULL */
  batch<T>(work: () => Promise<T>): Promise<T> {
    return this.writer.batch(work);
  }

  /** Ends when every block taken so far survives a loss of power. @throws STORE_DISK_FULL */
  async sync(): Promise<void> {
    try {
      await this.writer.sync();
    } catch (error) {
      throw diskError(error, this.dir);
    }
  }

  /**
   * Takes all blocks of another area and removes it; ends when they are on the disk. Interrupted at any point, it can
   * be repeated.
   */
  async adopt(from: Blocks): Promise<void> {
    await from.writer.flush();
    for (const [pack, end] of from.index.packs()) {
      const rows = from.index.rows(pack);
      if (end > storeLimits.packCopyBytesMax) {
        await from.sync();
        const id = this.writer.newId();
        from.files.moveTo(pack, this.files, id);
        this.index.adopt(rows, id, end, Date.now());
        continue;
      }
      await this.batch(async () => {
        for (const { digest, codec } of rows) {
          const cid = CID.createV1(codec, createDigest(sha256Code, digest));
          const bytes = await from.read(cid).catch((error: unknown) => {
            if (!(error instanceof BlockNotFound)) throw error;
          });
          if (bytes !== undefined) await this.put(cid, bytes);
        }
      });
    }
    await this.sync();
    await from.close();
    await rm(from.dir, { recursive: true, force: true });
  }

  /** May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.writer
      .close()
      .then(() => this.files.close())
      .then(() => this.index.close());
    return this.#closing;
  }
}

async function openIndex(file: string): Promise<BlockIndex> {
  try {
    return new BlockIndex(file);
  } catch (error) {
    if (!(error instanceof IndexDamaged)) throw error;
    for (const suffix of ['', '-wal', '-shm']) await rm(file + suffix, { force: true });
    return new BlockIndex(file);
  }
}

/** Makes index and packs agree after any crash; gives the packs with their ends. */
async function reconcile(files: PackFiles, index: BlockIndex): Promise<Map<number, number>> {
  const known = index.packs();
  const present = files.list();
  for (const pack of known.keys()) if (!present.includes(pack)) index.dropPack(pack);
  const ends = new Map<number, number>();
  for (const pack of present) {
    const end = known.get(pack) ?? (await indexPack(files, index, pack));
    const size = await files.size(pack);
    if (size > end) await files.cut(pack, end);
    if (size < end) index.dropPack(pack, size);
    if (Math.min(size, end) > 0) ends.set(pack, Math.min(size, end));
    else await files.remove(pack);
  }
  index.commit();
  return ends;
}

/** Reads a pack the index does not know: a sealed one, one published just before a crash, or all after the index was lost. */
async function indexPack(files: PackFiles, index: BlockIndex, pack: number): Promise<number> {
  const used = Date.now();
  const end = await files.scan(pack, ({ cid, at, size }) => {
    const [digest, codec] = [cid.subarray(4), cid[1] ?? 0];
    if (index.find(digest) === undefined) index.add({ digest, codec, pack, at, size, used });
  });
  if (end > 0) index.setEnd(pack, end);
  return end;
}

async function concat(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** True when the bytes have the CID's sha2-256. */
function hashMatches(cid: CID, bytes: Uint8Array): boolean {
  return Buffer.compare(hash('sha256', bytes, 'buffer'), cid.multihash.digest) === 0;
}
