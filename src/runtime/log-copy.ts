import { appendFile, truncate } from 'node:fs/promises';
import { QuorateError } from '../core/errors.ts';
import { readOptional } from './files.ts';

/** The leaves of the log from an index on; as many as fit into one answer. */
export type AskLeaves = (from: number) => Promise<readonly string[]>;

/**
 * A worker's own copy of the project's log, one leaf a line. What was seen once stays: a log that was rewritten since no
 * longer fits its own checkpoint. Askers wait for each other, so that no leaf is written twice.
 */
export class LogCopy {
  readonly #file: string;
  #known: string[] | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(file: string) {
    this.#file = file;
  }

  /** The first `size` leaves: exactly as many as a checkpoint covers. Throws `LOG_UNREADABLE`, `HOME_UNREADABLE`, what `ask` throws. */
  read(size: number, ask: AskLeaves): Promise<string[]> {
    const read = this.#last.catch(() => {}).then(() => this.#read(size, ask));
    this.#last = read;
    return read;
  }

  async #read(size: number, ask: AskLeaves): Promise<string[]> {
    this.#known ??= await this.#open();
    const known = this.#known;
    while (known.length < size) {
      const leaves = await ask(known.length);
      if (leaves.length === 0) {
        throw new QuorateError(
          'LOG_UNREADABLE',
          `the controller's log ends at ${known.length} leaves, its checkpoint says ${size}`,
        );
      }
      await appendFile(this.#file, leaves.map((leaf) => `${leaf}\n`).join(''), { mode: 0o600 });
      known.push(...leaves);
    }
    return known.slice(0, size);
  }

  async #open(): Promise<string[]> {
    const text = (await readOptional(this.#file)) ?? '';
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    // A crash in mid-line: the rest of that leaf is asked for again.
    if (whole.length < text.length) await truncate(this.#file, Buffer.byteLength(whole));
    return whole.split('\n').slice(0, -1);
  }
}
