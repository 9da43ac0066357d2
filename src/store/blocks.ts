import { hash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BaseBlockstore } from 'blockstore-core';
import type { CID } from 'multiformats/cid';
import { pbCode, rawCode } from '../protocol/base/car.ts';
import { assert, QuorateError } from '../protocol/base/errors.ts';
import { type AreaIndex, BlockIndex, IndexDamaged, type Place, type Row } from './block-index.ts';
import { diskError } from './disk.ts';
import { chunkBytes, framedAt, frameExecutable } from './file-import.ts';
import { storeLimits } from './limits.ts';
import { MemoryIndex } from './memory-index.ts';
import { BlockNotFound, cidFrom, sha256Code } from './nodes.ts';
import { PackFiles } from './pack-files.ts';
import { PackWriter } from './pack-writer.ts';

/**
 * The blocks of one area, by their sha2-256: packs in a folder and their index. Bytes are hashed each time they are read; a damaged block
 * is reported and removed.
 */
export class Blocks<Index extends AreaIndex = BlockIndex> extends BaseBlockstore {
  readonly dir: string;
  readonly index: Index;
  readonly files: PackFiles;
  readonly writer: PackWriter;
  /** Called for each block that a peer gets by Bitswap. */
  onAsked: (cid: CID) => void = () => {};
  #closing: Promise<void> | undefined;

  private constructor(index: Index, files: PackFiles, packs: ReadonlyMap<number, number>) {
    super();
    this.dir = files.dir;
    this.index = index;
    this.files = files;
    this.writer = new PackWriter(files, index, packs);
  }

  /**
   * Opens a folder of blocks, made when missing, and cuts off blocks that a crash left incomplete. @throws STORE_IN_USE, HOME_NEWER,
   * STORE_UNWRITABLE
   */
  static async open(dir: string): Promise<Blocks> {
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new QuorateError('STORE_UNWRITABLE', `cannot create ${dir}: ${(cause as Error).message}`, {
        hint: 'The folder must be writable by you and lie on a disk with room.',
        cause,
      });
    }
    const index = await openIndex(join(dir, 'index.db'));
    const files = new PackFiles(dir);
    const ends = await reconcile(files, index);
    if (index.wasCut) index.dropUnwritten();
    index.commit();
    return new Blocks(index, files, ends);
  }

  /** Opens a sealed area, whose packs are in a folder that sealed areas share. Nothing is created before it has a block. */
  static async openSealed(dir: string, name: string): Promise<Blocks<MemoryIndex>> {
    const files = new PackFiles(dir, name);
    const index = new MemoryIndex();
    return new Blocks(index, files, await reconcile(files, index));
  }

  /** True when the block is here. Marks it as used now, which a sweep respects; synchronous, so that none comes between. */
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
   * Adds a block whose hash the caller has checked. `batch` resolves when it is written, `sync` when it is durable. @throws
   * STORE_DISK_FULL
   */
  override async put(
    cid: CID,
    value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<CID> {
    const bytes = value instanceof Uint8Array ? value : Buffer.concat(await Array.fromAsync(value));
    await this.#add(cid, bytes, false);
    return cid;
  }

  /** As `put`, but takes over the memory of `bytes` and releases it once they are written. @throws STORE_DISK_FULL */
  take(cid: CID, bytes: Uint8Array): Promise<void> {
    // Not for dag-pb: the CIDs decoded from a node share its memory and are still in use.
    return this.#add(cid, bytes, cid.code === rawCode);
  }

  async #add(cid: CID, bytes: Uint8Array, isOwned: boolean): Promise<void> {
    if (this.touch(cid)) return;
    try {
      this.writer.append(cid, bytes, { used: Date.now(), isOwned });
    } catch (error) {
      throw diskError(error, this.dir);
    }
    await this.writer.room();
  }

  /** Appends a block that is here again, in a new place, with its time of use unchanged. */
  async move(cid: CID, bytes: Uint8Array): Promise<void> {
    const place = this.index.find(cid.multihash.digest);
    assert(place !== undefined, 'what is moved is here');
    this.writer.append(cid, bytes, place);
    await this.writer.room();
  }

  /** Whether the bytes of a block are in a linked pack. */
  isLinked(cid: CID): boolean {
    const place = this.#find(cid);
    return place !== undefined && this.files.isLinked(place.pack);
  }

  /**
   * Takes the bytes of blocks that are here from a synced file that holds them one after the other, and nothing else; or those of one
   * block from the file whose frame it is (`frameExecutable`). @throws the error of the system
   */
  async link(
    file: string,
    parts: readonly { cid: CID; size: number }[] | { framed: CID; size: number },
  ): Promise<void> {
    await this.writer.flush();
    const pack = this.writer.newId();
    await this.files.link(file, pack);
    const used = Date.now();
    const add = ({ code: codec, multihash: { digest } }: CID, at: number, size: number): void =>
      this.index.add({ digest, codec, pack, at, size, used });
    let end = 0;
    if ('framed' in parts) {
      add(parts.framed, framedAt, this.size(parts.framed) ?? 0);
      end = parts.size;
    } else {
      for (const { cid, size } of parts) {
        add(cid, end, size);
        end += size;
      }
    }
    this.index.setEnd(pack, end);
  }

  /** The verified bytes. @throws BlockNotFound when it is not here or its bytes are damaged; a damaged block is removed */
  async read(cid: CID, alloc?: (size: number) => Uint8Array): Promise<Uint8Array> {
    for (;;) {
      const place = this.#find(cid);
      if (place === undefined) throw new BlockNotFound(`block ${cid} is not here`);
      const unwritten = this.writer.unwritten(place);
      if (unwritten !== undefined) return unwritten;
      const bytes =
        place.at === framedAt
          ? await readFramed(this.files, place)
          : await this.files.read(place.pack, place.at, place.size, alloc);
      if (bytes !== undefined && digestMatches(cid.multihash.digest, bytes)) return bytes;
      const now = this.#find(cid);
      // A sweep has moved it: read its new place.
      if (now !== undefined && (now.pack !== place.pack || now.at !== place.at)) continue;
      this.index.remove(cid.multihash.digest, place);
      throw new BlockNotFound(`block ${cid} was damaged on disk and is removed`);
    }
  }

  /** The same of a row; undefined where its block is not here, or was damaged. */
  async readRow({ digest, codec }: Row): Promise<{ cid: CID; bytes: Uint8Array | undefined }> {
    const cid = cidFrom(codec, digest);
    const bytes = await this.read(cid).catch((error: unknown) => {
      if (!(error instanceof BlockNotFound)) throw error;
    });
    return { cid, bytes: bytes ?? undefined };
  }

  override async *get(cid: CID): AsyncGenerator<Uint8Array> {
    this.onAsked(cid);
    yield await this.read(cid);
  }

  /** Runs work that puts blocks. Resolves when all are written. @throws STORE_DISK_FULL */
  batch<T>(work: () => Promise<T>): Promise<T> {
    return this.writer.batch(work);
  }

  /** Resolves when all blocks added so far are durable. @throws STORE_DISK_FULL */
  async sync(): Promise<void> {
    try {
      await this.writer.sync();
    } catch (error) {
      throw diskError(error, this.dir);
    }
  }

  /** Moves all blocks of another area to this one and removes that area. Resolves when they are durable. Interrupted, it can be repeated. */
  async adopt(this: Blocks, from: Blocks<AreaIndex>): Promise<void> {
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
        for (const row of rows) {
          const { cid, bytes } = await from.readRow(row);
          if (bytes !== undefined) await this.put(cid, bytes);
        }
      });
    }
    await this.sync();
    await from.discard();
  }

  async discard(): Promise<void> {
    await this.close();
    for (const pack of this.files.list()) await this.files.remove(pack);
  }

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

/** Makes index and packs consistent after a crash. Returns the end of each pack, in bytes. */
async function reconcile(files: PackFiles, index: AreaIndex): Promise<Map<number, number>> {
  const known = index.packs();
  const present = files.list();
  for (const pack of known.keys()) if (!present.includes(pack)) index.dropPack(pack);
  const ends = new Map<number, number>();
  for (const pack of present) {
    const size = await files.size(pack);
    let end = known.get(pack);
    if (files.isLinked(pack)) {
      end ??= await indexLinked(files, index, pack, size);
      if (size === end) ends.set(pack, end);
      else await drop(files, index, pack);
      continue;
    }
    // Files written last may have no rows yet. All of a store is not hashed where the whole index is new.
    if (end === undefined || size > end)
      end = await indexPack(files, index, pack, { from: end ?? 0, isHashed: known.size > 0 });
    if (size > end) await files.cut(pack, end);
    if (size < end) index.dropPack(pack, size);
    const whole = Math.min(size, end);
    if (whole > 0) ends.set(pack, whole);
    else await drop(files, index, pack);
  }
  return ends;
}

/** Indexes a pack from an offset on. Returns where it ends, which is before a block that `isHashed` finds incomplete. */
async function indexPack(
  files: PackFiles,
  index: AreaIndex,
  pack: number,
  { from, isHashed }: { from: number; isHashed: boolean },
): Promise<number> {
  const used = Date.now();
  let end = from;
  for await (const { cid, at, size } of files.scan(pack, from)) {
    const [digest, codec] = [cid.subarray(4), cid[1] ?? 0];
    if (isHashed && !digestMatches(digest, await files.read(pack, at, size))) break;
    if (index.find(digest) === undefined) index.add({ digest, codec, pack, at, size, used });
    end = at + size;
  }
  index.setEnd(pack, end);
  return end;
}

/** A block of which the file holds the content. It is smaller than the block. */
async function readFramed(files: PackFiles, { pack, size }: Place): Promise<Uint8Array | undefined> {
  const content = await files.read(pack, 0, size);
  return content && frameExecutable(content);
}

/** Indexes the chunks of an unknown linked pack of so many bytes, as they are cut in each tree; of one chunk also its frame. */
async function indexLinked(
  files: PackFiles,
  index: AreaIndex,
  pack: number,
  fileBytes: number,
): Promise<number> {
  const used = Date.now();
  let at = 0;
  for (;;) {
    const bytes = await files.read(pack, at, chunkBytes);
    if (bytes === undefined || bytes.length === 0) break;
    const add = (block: Uint8Array, codec: number, place: number): void => {
      const digest = hash('sha256', block, 'buffer');
      if (index.find(digest) === undefined)
        index.add({ digest, codec, pack, at: place, size: block.length, used });
    };
    add(bytes, rawCode, at);
    if (bytes.length === fileBytes) add(frameExecutable(bytes), pbCode, framedAt);
    at += bytes.length;
  }
  index.setEnd(pack, at);
  return at;
}

/** A pack without a whole block, or a linked one whose file was changed. */
async function drop(files: PackFiles, index: AreaIndex, pack: number): Promise<void> {
  index.dropPack(pack);
  await files.remove(pack);
}

function digestMatches(digest: Uint8Array, bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && Buffer.compare(hash('sha256', bytes, 'buffer'), digest) === 0;
}
