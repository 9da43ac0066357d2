import { closeSync, constants, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** Digits of the number of an event: each mark is as long as the one before, which it replaces. */
const digits = 16;

/**
 * Keeps the number of the last synced event in a file beside an open journal: SQLite does not notice when the last frames of its log are
 * damaged or cut off. Written after each sync, and not synced itself: after a power cut it may be too low, and is never too high. It
 * holds for that very file, and for none that was put in its place.
 */
export class EndMark {
  readonly #file: string;
  /** Of the journal's file. */
  readonly #identity: string;
  #fd: number | undefined;

  constructor(journal: string) {
    this.#file = markOf(journal);
    const { ino, birthtimeNs } = statSync(journal, { bigint: true });
    this.#identity = `${ino} ${birthtimeNs}`;
  }

  /** Number of the last event that was synced, at least; 0 where that is not known. */
  get least(): number {
    let text: string;
    try {
      text = readFileSync(this.#file, 'latin1');
    } catch {
      return 0;
    }
    const [, sum = '', says = ''] = /^([0-9a-f]{8}) (.*)\n/.exec(text) ?? [];
    const isOurs = says.startsWith(`${this.#identity} `) && crc32(says) === Number.parseInt(sum, 16);
    return isOurs ? Number(says.slice(this.#identity.length + 1)) : 0;
  }

  /** All events up to this one are on disk. */
  set(seq: number): void {
    const says = `${this.#identity} ${String(seq).padStart(digits, '0')}`;
    const text = `${crc32(says).toString(16).padStart(8, '0')} ${says}\n`;
    try {
      this.#fd ??= openSync(this.#file, constants.O_RDWR | constants.O_CREAT, 0o600);
      writeSync(this.#fd, text, 0);
    } catch {
      // A full disk: damage at the end goes unnoticed.
    }
  }

  /** Removes the mark: the next start holds the journal to no last event. */
  remove(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    rmSync(this.#file, { force: true });
  }
}

export const markOf = (journal: string): string => `${journal}-synced`;
