import { closeSync, ftruncate, open, read, readdirSync, renameSync } from 'node:fs';
import { link, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { carHeader, cidBytes, isTreeCid, readVarint } from '../protocol/base/car.ts';
import { assert, hasCode } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { storeLimits } from './limits.ts';

/** CAR header of a pack. Its root is the CID of the empty block, since a pack has no root and readers require one. */
export const packHeader = carHeader([Uint8Array.of(1, 0x55, 0, 0)]);

/** With callbacks and descriptors: for small packs a `FileHandle` costs more than the calls. */
const files = { open: promisify(open), read: promisify(read), truncate: promisify(ftruncate) };

const openMax = 64;
/** Blocks up to this size are read with a window of the bytes after them: blocks of one folder are adjacent. */
const smallBytes = 16 * 1024;
const windowBytes = 64 * 1024;
assert(smallBytes < windowBytes && windowBytes < limits.blockBytesMax, 'a window holds several small blocks');

/** The head of a section at most: the length of a block, and its CID. */
const headBytesMax = 4 + cidBytes;
assert(headBytesMax < smallBytes, 'a window holds several heads');

interface OpenPack {
  /** File descriptor. */
  file: Promise<number>;
  users: number;
  unwanted: boolean;
}

interface Window {
  pack: number;
  at: number;
  bytes: Promise<Uint8Array>;
}

/**
 * The packs of one area, each a valid CARv1 file: `<number>.car` in a folder of their own, or `<name>.<number>.car` in one that other
 * areas share. Packs are appended to and never changed. A linked pack, `<number>.file`, is a hard link to a file of somebody else, whose
 * bytes are the chunks of one file of a tree; it is only read.
 */
export class PackFiles {
  readonly dir: string;
  readonly #prefix: string;
  readonly #flags: string;
  readonly #linked = new Set<number>();
  readonly #open = new Map<number, OpenPack>();
  #windows: Window[] = [];

  /** @param name of the area, where others share its folder; `flags`: how packs are opened, unless a call says it */
  constructor(dir: string, name?: string, flags = 'r+') {
    this.dir = dir;
    this.#prefix = name === undefined ? '' : `${name}.`;
    this.#flags = flags;
  }

  /** The areas in a folder that several share. */
  static areas(dir: string): string[] {
    const names = readdirSync(dir).map((file) => /^(.+)\.\d+\.car$/.exec(file)?.[1]);
    return [...new Set(names.filter((name) => name !== undefined))].sort();
  }

  path(pack: number): string {
    return join(this.dir, `${this.#prefix}${pack}.${this.#linked.has(pack) ? 'file' : 'car'}`);
  }

  list(): number[] {
    const ids: number[] = [];
    for (const name of readdirSync(this.dir)) {
      if (!name.startsWith(this.#prefix)) continue;
      const [, id, kind] = /^(\d+)\.(car|file)$/.exec(name.slice(this.#prefix.length)) ?? [];
      if (id === undefined) continue;
      ids.push(Number(id));
      if (kind === 'file') this.#linked.add(Number(id));
    }
    return ids.sort((a, b) => a - b);
  }

  isLinked(pack: number): boolean {
    return this.#linked.has(pack);
  }

  /** Makes a linked pack of a file. @throws the error of the system, such as EXDEV for one on another file system */
  async link(file: string, pack: number): Promise<void> {
    await link(file, join(this.dir, `${pack}.file`));
    this.#linked.add(pack);
  }

  /** Of all packs together; of a linked one as well, whose bytes another file has too. */
  async bytes(): Promise<number> {
    // One that is removed meanwhile counts for nothing.
    const sizes = await Promise.all(this.list().map((pack) => this.size(pack).catch(() => 0)));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async size(pack: number): Promise<number> {
    return (await stat(this.path(pack))).size;
  }

  /** Calls `work` with the file descriptor of a pack. Undefined when there is no such pack. */
  async use<T>(
    pack: number,
    work: (file: number) => Promise<T>,
    flags = this.#flags,
  ): Promise<T | undefined> {
    const entry = this.#entry(pack, flags);
    entry.users += 1;
    try {
      return await work(await entry.file);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      entry.unwanted = true;
      return undefined;
    } finally {
      entry.users -= 1;
      this.#settle(pack, entry);
    }
  }

  /** Up to `size` bytes; fewer where the file ends. Undefined when there is no such pack. */
  async read(
    pack: number,
    at: number,
    size: number,
    alloc?: (size: number) => Uint8Array,
  ): Promise<Uint8Array | undefined> {
    if (size > smallBytes) return this.use(pack, (file) => readAt(file, at, size, { alloc }));
    const inside = ({ pack: other, at: from }: Window): boolean =>
      other === pack && from <= at && at + size <= from + windowBytes;
    const window = this.#windows.find(inside);
    if (window !== undefined) {
      const bytes = (await window.bytes).subarray(at - window.at, at - window.at + size);
      if (bytes.length === size) return bytes;
    }
    const opened: Window = { pack, at, bytes: this.#readAhead(pack, at, size) };
    this.#windows = [opened, ...this.#windows.slice(0, storeLimits.blockTasksMax - 1)];
    try {
      const found = await opened.bytes;
      return found.length === 0 && size > 0 ? undefined : found.subarray(0, size);
    } catch (error) {
      this.#windows = this.#windows.filter((one) => one !== opened);
      throw error;
    }
  }

  /** Every complete section, from an offset where one begins or from the first on. Bytes after the last are an incomplete write. */
  async *scan(pack: number, from = 0): AsyncGenerator<{ cid: Uint8Array; at: number; size: number }> {
    const header = await this.#readAhead(pack, 0);
    if (Buffer.compare(header.subarray(0, packHeader.length), packHeader) !== 0) return;
    const fileBytes = await this.size(pack);
    let at = Math.max(from, packHeader.length);
    let window: Uint8Array = new Uint8Array();
    let windowAt = 0;
    for (;;) {
      let head = window.subarray(at - windowAt);
      if (head.length < headBytesMax) {
        head = await this.#readAhead(pack, at);
        window = head;
        windowAt = at;
      }
      const length = lengthOf(head);
      if (length === undefined) return;
      const total = length.next + length.value;
      const cid = head.slice(length.next, length.next + cidBytes);
      if (!isTreeCid(cid) || at + total > fileBytes) return;
      yield { cid, at: at + length.next + cidBytes, size: length.value - cidBytes };
      at += total;
    }
  }

  /** Up to a window: at least `enough` bytes where the file has them. */
  async #readAhead(pack: number, at: number, enough = windowBytes): Promise<Uint8Array> {
    const bytes = await this.use(pack, (file) => readAt(file, at, windowBytes, { enough }));
    return bytes ?? new Uint8Array();
  }

  /** Drops windows read ahead, before their bytes are overwritten. */
  async cut(pack: number, end: number): Promise<void> {
    assert(!this.#linked.has(pack), 'the file of somebody else is not changed');
    this.#windows = this.#windows.filter((window) => window.pack !== pack);
    await this.use(pack, (file) => files.truncate(file, end));
  }

  /** Moves a pack to another folder. Reads that have it open go on. */
  moveTo(pack: number, to: PackFiles, as: number): void {
    renameSync(this.path(pack), to.path(as));
    this.#forget(pack);
  }

  async remove(pack: number): Promise<void> {
    this.#forget(pack);
    await rm(this.path(pack), { force: true });
    this.#linked.delete(pack);
  }

  async close(): Promise<void> {
    const closing = [...this.#open].map(async ([pack, { file }]) => {
      this.#forget(pack);
      await file.catch(() => {});
    });
    await Promise.all(closing);
  }

  #forget(pack: number): void {
    this.#windows = this.#windows.filter((window) => window.pack !== pack);
    const entry = this.#open.get(pack);
    if (entry === undefined) return;
    entry.unwanted = true;
    this.#settle(pack, entry);
  }

  #entry(pack: number, flags: string): OpenPack {
    const known = this.#open.get(pack);
    if (known !== undefined && !known.unwanted) {
      // The map is in order of use, the least recently used first.
      this.#open.delete(pack);
      this.#open.set(pack, known);
      return known;
    }
    const file = files.open(this.path(pack), this.#linked.has(pack) ? 'r' : flags, 0o666);
    const entry = { file, users: 0, unwanted: false };
    entry.file.catch(() => {});
    this.#open.set(pack, entry);
    if (this.#open.size > openMax) {
      const idle = [...this.#open].find(([, other]) => other.users === 0 && other !== entry);
      if (idle !== undefined) this.#forget(idle[0]);
    }
    return entry;
  }

  #settle(pack: number, entry: OpenPack): void {
    if (!entry.unwanted || entry.users > 0) return;
    if (this.#open.get(pack) === entry) this.#open.delete(pack);
    entry.file.then(closeSync).catch(() => {});
  }
}

/** The length of a section, and where it ends; undefined for bytes that are no section. */
function lengthOf(head: Uint8Array): { value: number; next: number } | undefined {
  try {
    const length = readVarint(head, 0);
    const size = (length?.value ?? 0) - cidBytes;
    return size >= 0 && size <= limits.blockBytesMax ? length : undefined;
  } catch {
    return undefined;
  }
}

async function readAt(
  file: number,
  at: number,
  size: number,
  {
    alloc = Buffer.allocUnsafeSlow,
    enough = size,
  }: { alloc?: (size: number) => Uint8Array; enough?: number },
): Promise<Uint8Array> {
  const bytes = alloc(size);
  let filled = 0;
  while (filled < enough) {
    const { bytesRead } = await files.read(file, bytes, filled, size - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
