import { closeSync, constants, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

/** Digits of the number of an event: each mark is as long as the one before, which it replaces. */
const digits = 16;

/**
 * Keeps the number of the last event that was synced, in a file beside a journal that is open. SQLite takes a write-ahead log for as long as
 * its frames are whole: without that number nothing shows that the last ones were damaged, or cut off. It is written after each sync, and not
 * synced itself: after a power cut it may be lower than it was, and is never higher than what is there. It holds for the file beside which it
 * was written; one that was put in its place is another.
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
