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
import { QuorateError } from '../core/errors.ts';
import { diskError, syncFolder, unopened } from './disk.ts';

/** What is known of one pinned tree. */
export interface PinRecord {
  /** Reasons to keep the tree. */
  names: Set<string>;
  /** Time of the last use, in milliseconds since the epoch. */
  used: number;
}

/** One line of the log. `unpin` without a name drops all names of the root. */
export type PinChange =
  | { kind: 'pin'; root: string; used: number; name: string }
  | { kind: 'unpin'; root: string; name?: string | undefined }
  | { kind: 'used'; root: string; used: number };

const datasync = promisify(fdatasync);
/** Lines that the log may have beyond two for each that is needed, before it is written anew. */
const spareLines = 1000;

/**
 * The pinned roots and the file that records them: a line for each change, appended. A change is durable once `sync` resolves. The
 * file is written anew when most of its lines are out of date. Calls must not overlap, but a change of kind `used` may come at any
 * time, and may be lost.
 */
export class PinLog {
  readonly #file: string;
  readonly #pins = new Map<string, PinRecord>();
  #fd = -1;
  /** Bytes of the whole lines in the file. */
  #end = 0;
  #lines = 0;
  /** Of the lines those that are needed: one for each name of a root. */
  #live = 0;
  #isSynced = false;
  /** The folder does not hold the file for good yet. */
  #isNew = false;

  constructor(file: string) {
    this.#file = file;
  }

  get pins(): ReadonlyMap<string, Readonly<PinRecord>> {
    return this.#pins;
  }

  /**
   * Reads the file, creating it when missing, and cuts off a line that a crash left incomplete. Another line that cannot be read may be a
   * pin, whose tree a sweep would remove. @throws STORE_PINS_DAMAGED, STORE_UNWRITABLE
   */
  open(): void {
    try {
      this.#isNew = !existsSync(this.#file);
      const bytes = this.#isNew ? Buffer.alloc(0) : readFileSync(this.#file);
      // Bytes are counted, not characters: those of a damaged line may be none.
      this.#end = bytes.lastIndexOf('\n') + 1;
      for (const [n, line] of bytes.toString('utf8', 0, this.#end).split('\n').entries())
        if (line !== '') this.#apply(parse(line) ?? this.#damaged(n + 1));
      this.#fd = openSync(this.#file, 'a', 0o600);
      ftruncateSync(this.#fd, this.#end);
    } catch (error) {
      throw unopened(error, this.#file);
    }
  }

  #damaged(line: number): never {
    throw new QuorateError('STORE_PINS_DAMAGED', `${this.#file} is damaged: line ${line} cannot be read`, {
      hint: 'Put it back from a copy. Without one remove the lines that cannot be read: a tree that only they name is removed with the next sweep.',
    });
  }

  /** Appends changes. Nothing is recorded when that fails. @throws STORE_DISK_FULL */
  append(changes: readonly PinChange[]): void {
    const bytes = Buffer.from(changes.map(format).join(''));
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
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
      if (this.#lines > 2 * this.#live + spareLines) await this.#rewrite();
      else {
        await datasync(this.#fd);
        if (this.#isNew) await syncFolder(dirname(this.#file));
      }
      this.#isNew = false;
    } catch (error) {
      this.#isSynced = false;
      throw diskError(error, dirname(this.#file));
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  async #rewrite(): Promise<void> {
    const lines: string[] = [];
    for (const [root, { names, used }] of this.#pins)
      for (const name of names) lines.push(format({ kind: 'pin', root, used, name }));
    const text = lines.join('');
    const handle = await open(`${this.#file}.new`, 'w', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    renameSync(`${this.#file}.new`, this.#file);
    this.close();
    this.#fd = openSync(this.#file, 'a', 0o600);
    this.#end = Buffer.byteLength(text);
    this.#lines = lines.length;
    this.#live = lines.length;
    await syncFolder(dirname(this.#file));
  }

  #apply(change: PinChange): void {
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

function format(change: PinChange): string {
  const { kind, root } = change;
  if (kind === 'used') return `used ${root} ${change.used}\n`;
  if (kind === 'pin') return `pin ${root} ${change.used} ${change.name}\n`;
  return change.name === undefined ? `unpin ${root}\n` : `unpin ${root} ${change.name}\n`;
}

/** Undefined for a line that the disk has damaged. */
function parse(line: string): PinChange | undefined {
  const pin = /^pin (\S+) (\d+) ([^\n]*)$/.exec(line);
  if (pin !== null) return { kind: 'pin', root: pin[1] ?? '', used: Number(pin[2]), name: pin[3] ?? '' };
  const used = /^used (\S+) (\d+)$/.exec(line);
  if (used !== null) return { kind: 'used', root: used[1] ?? '', used: Number(used[2]) };
  const [, root, name] = /^unpin (\S+)(?: ([^\n]*))?$/.exec(line) ?? [];
  return root === undefined ? undefined : { kind: 'unpin', root, name };
}
