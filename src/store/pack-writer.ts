import { fdatasync } from 'node:fs';
import { promisify } from 'node:util';
import type { CID } from 'multiformats/cid';
import { sectionHead } from '../protocol/base/car.ts';
import { assert } from '../protocol/base/errors.ts';
import type { AreaIndex, Place } from './block-index.ts';
import { diskError, syncFolder, writeAll } from './disk.ts';
import { giveUpMemory } from './file-import.ts';
import { storeLimits } from './limits.ts';
import { type PackFiles, packHeader } from './pack-files.ts';

const datasync = promisify(fdatasync);
/** Bytes gathered before a write: two blocks of the largest size, or some thousand small files. */
const writeBytes = 2 * 1024 * 1024;
const writeMs = 100;
assert(writeBytes < storeLimits.packUnwrittenBytesMax, 'a write begins before writers have to wait');

interface Queued {
  pack: OpenEnd;
  parts: Uint8Array[];
  bytes: number;
  block?: { digest: Uint8Array; place: Place };
}

/** A pack that is appended to: bytes up to `end` have a place, bytes up to `written` are in the file. */
interface OpenEnd {
  id: number;
  end: number;
  written: number;
}

const keyOf = ({ pack, at }: Place): string => `${pack}/${at}`;

/** Appends blocks to packs, in the background, many blocks per write. */
export class PackWriter {
  readonly #files: PackFiles;
  readonly #index: AreaIndex;
  #current: OpenEnd | undefined;
  #lastId: number;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  readonly #unwritten = new Map<string, { bytes: Uint8Array; isOwned: boolean }>();
  readonly #unsynced = new Set<number>();
  #syncing: Promise<void> = Promise.resolve();
  #hasNewFile = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #failure: unknown;

  /** @param packs numbers of the packs that exist, with the end of each in bytes */
  constructor(files: PackFiles, index: AreaIndex, packs: ReadonlyMap<number, number>) {
    this.#files = files;
    this.#index = index;
    this.#lastId = Math.max(0, ...packs.keys());
    const end = packs.get(this.#lastId);
    if (end !== undefined && end < storeLimits.packBytesMax && !files.isLinked(this.#lastId)) {
      this.#current = { id: this.#lastId, end, written: end };
    }
  }

  /** Assigns a block its place. Until it is written, `unwritten` gives its bytes. */
  append(cid: CID, bytes: Uint8Array, { used, isOwned = false }: { used: number; isOwned?: boolean }): void {
    const head = sectionHead(cid.bytes, bytes.length);
    const pack = this.#room(head.length + bytes.length);
    const place = { pack: pack.id, at: pack.end + head.length, size: bytes.length };
    pack.end = place.at + bytes.length;
    const { digest } = cid.multihash;
    this.#index.add({ ...place, digest, codec: cid.code, used });
    this.#unwritten.set(keyOf(place), { bytes, isOwned });
    const block = { digest, place };
    this.#enqueue({ pack, parts: [head, bytes], bytes: head.length + bytes.length, block });
    if (this.#queuedBytes >= writeBytes) this.flush().catch(() => {});
    else this.#timer ??= setTimeout(() => this.flush().catch(() => {}), writeMs).unref();
  }

  get unwrittenBytes(): number {
    return this.#queuedBytes;
  }

  /** Bytes of a block that is not written yet. */
  unwritten(place: Place): Uint8Array | undefined {
    const found = this.#unwritten.get(keyOf(place));
    // A copy: memory that the writer owns is released once it is written.
    return found?.isOwned ? found.bytes.slice() : found?.bytes;
  }

  /** Runs work that appends. Resolves when all of it is written. @throws the failure of any write meanwhile */
  async batch<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#failures;
    const result = await work();
    await this.flush();
    if (this.#failures !== before) throw this.#failure;
    return result;
  }

  /** Resolves when all blocks appended so far are written. @throws STORE_DISK_FULL */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#running === undefined && this.#queue.length > 0) this.#running = this.#write();
    return this.#running ?? Promise.resolve();
  }

  /** Resolves when more may be appended: at once, unless much is unwritten. @throws STORE_DISK_FULL */
  async room(): Promise<void> {
    if (this.#queuedBytes > storeLimits.packUnwrittenBytesMax) await this.flush();
  }

  /** Resolves when all blocks appended so far are durable. Calls run one at a time. */
  sync(): Promise<void> {
    const synced = this.#syncing.catch(() => {}).then(() => this.#sync());
    this.#syncing = synced;
    return synced;
  }

  async #sync(): Promise<void> {
    await this.flush();
    for (const id of [...this.#unsynced]) {
      this.#unsynced.delete(id);
      try {
        await this.#files.use(id, (file) => datasync(file));
      } catch (error) {
        this.#unsynced.add(id);
        throw error;
      }
    }
    if (this.#hasNewFile) await syncFolder(this.#files.dir);
    this.#hasNewFile = false;
  }

  /** Reserves a number for a pack that is moved here, and syncs it with the rest. */
  newId(): number {
    this.#lastId += 1;
    this.#hasNewFile = true;
    return this.#lastId;
  }

  /** Makes the next block begin a new pack. */
  roll(): void {
    this.#current = undefined;
  }

  async close(): Promise<void> {
    await this.flush().catch(() => {});
    clearTimeout(this.#timer);
  }

  #room(bytes: number): OpenEnd {
    const current = this.#current;
    if (current !== undefined && current.end + bytes <= storeLimits.packBytesMax) return current;
    const fresh = { id: this.newId(), end: packHeader.length, written: 0 };
    this.#current = fresh;
    this.#enqueue({ pack: fresh, parts: [packHeader], bytes: packHeader.length });
    return fresh;
  }

  #enqueue(queued: Queued): void {
    this.#queue.push(queued);
    this.#queuedBytes += queued.bytes;
  }

  async #write(): Promise<void> {
    let taken: Queued[] = [];
    try {
      while (this.#queue.length > 0) {
        taken = this.#take();
        await this.#put(taken);
        taken = [];
      }
      // Synchronously after the check of the queue: a block appended later starts the next run.
      this.#running = undefined;
    } catch (error) {
      const failure = await this.#fail([...taken, ...this.#queue.splice(0)], error);
      this.#running = undefined;
      throw failure;
    }
  }

  /** The blocks of one write: adjacent ones of one pack. */
  #take(): Queued[] {
    const pack = this.#queue[0]?.pack;
    let bytes = 0;
    const next = this.#queue.findIndex((queued) => {
      if (queued.pack !== pack || bytes >= writeBytes) return true;
      bytes += queued.bytes;
      return false;
    });
    return this.#queue.splice(0, next === -1 ? this.#queue.length : next);
  }

  async #put(taken: readonly Queued[]): Promise<void> {
    const pack = taken[0]?.pack;
    assert(pack !== undefined, 'a write has something to write');
    const flags = pack.written === 0 ? 'wx+' : 'r+';
    const parts = taken.flatMap((queued) => queued.parts);
    const bytes = await this.#files.use(pack.id, (file) => writeAll(file, parts, pack.written), flags);
    if (bytes === undefined) throw new Error(`${this.#files.path(pack.id)} is gone`);
    pack.written += bytes;
    this.#unsynced.add(pack.id);
    this.#queuedBytes -= bytes;
    for (const { block } of taken) {
      const found = block && this.#unwritten.get(keyOf(block.place));
      if (block !== undefined) this.#unwritten.delete(keyOf(block.place));
      if (found?.isOwned) giveUpMemory(found.bytes);
    }
    this.#index.setEnd(pack.id, pack.written);
  }

  /** Removes blocks whose bytes could not be written. The next block begins a new pack. */
  async #fail(lost: readonly Queued[], cause: unknown): Promise<unknown> {
    for (const { block } of lost) {
      if (block === undefined) continue;
      this.#index.remove(block.digest, block.place);
      this.#unwritten.delete(keyOf(block.place));
    }
    this.#queuedBytes = 0;
    this.roll();
    for (const pack of new Set(lost.map((queued) => queued.pack))) {
      await this.#files.cut(pack.id, pack.written).catch(() => {});
    }
    this.#failures += 1;
    this.#failure = diskError(cause, this.#files.dir);
    return this.#failure;
  }
}
