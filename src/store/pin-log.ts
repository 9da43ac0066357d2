import {
  closeSync,
  existsSync,
  fdatasync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { QuorateError } from '../protocol/base/errors.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import { homeNewer } from '../protocol/base/newer.ts';
import { diskError, syncFolder, unopened } from './disk.ts';

export interface PinRecord {
  /** Reasons to keep the tree. */
  names: Set<string>;
  /** Time of the last use, in milliseconds since the epoch. */
  used: number;
}

/** One line of the log, without its checksum. `unpin` without a name drops all names of the root. */
export type PinChange =
  | { kind: 'pin'; root: string; used: number; name: string }
  | { kind: 'unpin'; root: string; name?: string | undefined }
  | { kind: 'used'; root: string; used: number };

/** A change, or the first line. `bytes`: of the file, at least, since it was last synced; a shorter one was cut. */
type Line = PinChange | { kind: 'head'; bytes: number };

const datasync = promisify(fdatasync);
/** Digits of the number in the first line, which is written again in its place. */
const headDigits = 16;
/** Lines that the log may have beyond two for each that is needed, before it is written anew. */
const spareLines = 1000;

/**
 * The pinned roots and the file that records them: a line for each change, with its CRC-32, appended, and durable once `sync` resolves.
 * The first line says how long the file is. It is written anew when most lines are out of date. Calls must not overlap, but a change of
 * kind `used` may come at any time, and may be lost.
 */
export class PinLog {
  readonly #file: string;
  readonly #pins = new Map<string, PinRecord>();
  #fd = -1;
  /** Bytes of the whole lines in the file. */
  #end = 0;
  /** Bytes of the file by its first line; 0 where it has none. */
  #stated = 0;
  #lines = 0;
  /** Of the lines those that are needed: one for each name of a root. */
  #live = 0;
  #isSynced = false;
  /** The folder does not hold the file for good yet. */
  #isNew = false;
  /** Lines that were mended, or have no checksum yet: the next `sync` writes the file anew. */
  #mustRewrite = false;
  /** Lines in which one bit was wrong, and was put right. */
  readonly mended: string[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  get pins(): ReadonlyMap<string, Readonly<PinRecord>> {
    return this.#pins;
  }

  /**
   * Reads the file, made when missing, and cuts off a line that a crash left incomplete. Another line that cannot be read, or is missing,
   * may be a pin, whose tree a sweep would remove. `mayBeEmpty`: nothing was ever put into this store. @throws STORE_PINS_DAMAGED,
   * HOME_NEWER, STORE_UNWRITABLE
   */
  open(mayBeEmpty = true): void {
    try {
      this.#isNew = !existsSync(this.#file);
      const bytes = this.#isNew ? Buffer.alloc(0) : readFileSync(this.#file);
      if (bytes.length === 0 && (this.#isNew || mayBeEmpty)) return this.#create();
      const lines = bytes.toString('latin1').split('\n');
      const last = lines.pop() ?? '';
      for (const [n, line] of lines.entries())
        for (const change of this.#read(Buffer.from(line, 'latin1'), n + 1)) this.#apply(change);
      // A last line of which only the line feed is damaged is whole; a shorter one was cut by a crash. The next sync writes it in full.
      const unended = withOneBitFlipped(Buffer.from(last, 'latin1'));
      for (const change of unended ?? []) this.#apply(change);
      if (unended !== undefined) this.#mustRewrite = true;
      this.#end = unended === undefined ? bytes.length - last.length : bytes.length;
      const isOlder = this.#stated === 0 && this.#lines > 0;
      if (isOlder) this.#mustRewrite = true;
      else this.#checkLength(Math.max(this.#stated, headOf(0).length));
      this.#fd = openSync(this.#file, 'r+');
      ftruncateSync(this.#fd, this.#end);
    } catch (error) {
      throw unopened(error, this.#file);
    }
  }

  #create(): void {
    this.#fd = openSync(this.#file, 'w+', 0o600);
    this.#end = headOf(0).length;
    writeSync(this.#fd, headOf(this.#end), 0);
  }

  #checkLength(least: number): void {
    if (this.#end >= least) return;
    const says = `${this.#file} was cut: of at least ${least} bytes ${this.#end} are left`;
    throw new QuorateError('STORE_PINS_DAMAGED', says, {
      hint: 'Put it back from a copy. Without one remove its first line, or the file where nothing is left of it: trees that only the lost lines name are removed with the next sweep.',
    });
  }

  /** @throws STORE_PINS_DAMAGED, HOME_NEWER */
  #read(line: Buffer, n: number): Line[] {
    const text = checkedText(line);
    if (text !== undefined) return [parse(text) ?? this.#unknown(text, n)];
    this.#mustRewrite = true;
    const old = isOfBefore(line) ? parse(line.toString()) : undefined;
    if (old !== undefined) return [old];
    const place = `${this.#file}, line ${n}`;
    const mended = withOneBitFlipped(line);
    if (mended !== undefined) {
      this.mended.push(`${place}: one bit was wrong, and is put right`);
      return mended;
    }
    const says = `${place} is damaged: "${escapeLine(line.toString(), 200)}"`;
    throw new QuorateError('STORE_PINS_DAMAGED', says, {
      hint: 'Put the file back from a copy. Without one remove that line: a tree that only it names is removed with the next sweep.',
    });
  }

  /** A line that is as it was written. A format after this one says so in the first line, as this one does. */
  #unknown(text: string, n: number): never {
    const says = `this version reads format 3, which has no line "${escapeLine(text, 200)}" (${n})`;
    throw homeNewer(this.#file, says);
  }

  /** Appends changes. Nothing is recorded when that fails. @throws STORE_DISK_FULL */
  append(changes: readonly PinChange[]): void {
    const bytes = Buffer.from(changes.map(format).join(''));
    try {
      for (let at = 0; at < bytes.length; )
        at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#end + at);
    } catch (error) {
      ftruncateSync(this.#fd, this.#end);
      throw diskError(error, dirname(this.#file));
    }
    this.#end += bytes.length;
    this.#isSynced = false;
    for (const change of changes) this.#apply(change);
  }

  /** Resolves when all changes so far are durable. @throws STORE_DISK_FULL */
  async sync(): Promise<void> {
    if (this.#isSynced) return;
    this.#isSynced = true;
    try {
      if (this.#mustRewrite || this.#lines > 2 * this.#live + spareLines) await this.#rewrite();
      else {
        const end = this.#end;
        await datasync(this.#fd);
        if (this.#isNew) await syncFolder(dirname(this.#file));
        // Synced with the next change: after a power cut it may say less, and never more than there is.
        writeSync(this.#fd, headOf(end), 0);
      }
      this.#isNew = false;
    } catch (error) {
      this.#isSynced = false;
      throw diskError(error, dirname(this.#file));
    }
  }

  close(): void {
    if (this.#fd !== -1) closeSync(this.#fd);
    this.#fd = -1;
  }

  async #rewrite(): Promise<void> {
    const lines: string[] = [];
    for (const [root, { names, used }] of this.#pins)
      for (const name of names) lines.push(format({ kind: 'pin', root, used, name }));
    const body = lines.join('');
    const text = headOf(headOf(0).length + Buffer.byteLength(body)) + body;
    const handle = await open(`${this.#file}.new`, 'w', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    renameSync(`${this.#file}.new`, this.#file);
    this.close();
    this.#fd = openSync(this.#file, 'r+');
    this.#end = Buffer.byteLength(text);
    this.#lines = lines.length;
    this.#live = lines.length;
    this.#mustRewrite = false;
    await syncFolder(dirname(this.#file));
  }

  #apply(change: Line): void {
    if (change.kind === 'head') {
      this.#stated = change.bytes;
      return;
    }
    this.#lines += 1;
    const { kind, root } = change;
    const pin = this.#pins.get(root);
    if (kind === 'pin') {
      const { names } = pin ?? { names: new Set<string>() };
      if (!names.has(change.name)) this.#live += 1;
      this.#pins.set(root, { names: names.add(change.name), used: change.used });
      return;
    }
    if (pin === undefined) return;
    if (kind === 'used') pin.used = change.used;
    else if (change.name === undefined) {
      this.#live -= pin.names.size;
      this.#pins.delete(root);
    } else if (pin.names.delete(change.name)) {
      this.#live -= 1;
      if (pin.names.size === 0) this.#pins.delete(root);
    }
  }
}

const format = (change: PinChange): string => withSum(textOf(change));
const headOf = (bytes: number): string => withSum(`format 3 ${String(bytes).padStart(headDigits, '0')}`);

function withSum(text: string): string {
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`;
}

function textOf(change: PinChange): string {
  const { kind, root } = change;
  if (kind === 'used') return `used ${root} ${change.used}`;
  if (kind === 'pin') return `pin ${root} ${change.used} ${change.name}`;
  return change.name === undefined ? `unpin ${root}` : `unpin ${root} ${change.name}`;
}

/** The text of a line whose checksum fits; undefined where it does not. */
function checkedText(line: Buffer): string | undefined {
  const sum = line.toString('latin1', 0, 9);
  const text = line.subarray(9);
  if (!/^[0-9a-f]{8} $/.test(sum) || crc32(text) !== Number.parseInt(sum, 16)) return undefined;
  return text.toString();
}

/** Lines that were written before there were checksums have none. No flipped bit makes one of a line that has. */
const isOfBefore = (line: Buffer): boolean => /^(?:pin|unpin|used) /.test(line.toString('latin1', 0, 6));

/**
 * The line before one of its bits was flipped, or two where the line feed between them was. A CRC-32 finds the bit in any line below 2^31
 * bits.
 */
function withOneBitFlipped(line: Buffer): Line[] | undefined {
  for (let bit = 0; bit < 8 * line.length; bit++) {
    const at = bit >> 3;
    const before = line[at] ?? 0;
    const flipped = before ^ (1 << (bit & 7));
    line[at] = flipped;
    const parts = flipped === 0x0a ? [line.subarray(0, at), line.subarray(at + 1)] : [line];
    const changes = parts.filter((part) => part.length > 0).map((part) => parse(checkedText(part) ?? ''));
    line[at] = before;
    if (changes.every((change) => change !== undefined)) return changes;
  }
  return undefined;
}

/** Undefined for what is no change. */
function parse(line: string): Line | undefined {
  const head = /^format 3 (\d+)$/.exec(line);
  if (head !== null) return { kind: 'head', bytes: Number(head[1]) };
  const pin = /^pin (\S+) (\d+) ([^\n]*)$/.exec(line);
  if (pin !== null) return { kind: 'pin', root: pin[1] ?? '', used: Number(pin[2]), name: pin[3] ?? '' };
  const used = /^used (\S+) (\d+)$/.exec(line);
  if (used !== null) return { kind: 'used', root: used[1] ?? '', used: Number(used[2]) };
  const [, root, name] = /^unpin (\S+)(?: ([^\n]*))?$/.exec(line) ?? [];
  return root === undefined ? undefined : { kind: 'unpin', root, name };
}
