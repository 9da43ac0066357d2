import { open, truncate } from 'node:fs/promises';
import { messageOf, QuorateError } from '../../core/errors.ts';
import { readOptional } from '../node/files.ts';

/** The leaves of the log from an index on; as many as fit into one answer. */
export type AskLeaves = (from: number) => Promise<readonly string[]>;

/**
 * A worker's own copy of the project's log, one leaf a line: what its signatures rest on. What was kept once stays: a log
 * that was rewritten since no longer fits its own checkpoint. What was only said to it, under no checkpoint that held,
 * is not kept, or one slip of a controller would be for ever.
 */
export class LogCopy {
  readonly #file: string;
  #kept: string[] | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(file: string) {
    this.#file = file;
  }

  /** The first `size` leaves: exactly as many as a checkpoint covers. Throws `LOG_UNREADABLE`, `HOME_UNREADABLE`, what `ask` throws. */
  async read(size: number, ask: AskLeaves): Promise<string[]> {
    const leaves = (await this.#inTurn(() => this.#open())).slice(0, size);
    while (leaves.length < size) {
      const more = await ask(leaves.length);
      if (more.length === 0) {
        throw new QuorateError(
          'LOG_UNREADABLE',
          `the controller's log ends at ${leaves.length} leaves, its checkpoint says ${size}`,
        );
      }
      leaves.push(...more.slice(0, size - leaves.length));
    }
    return leaves;
  }

  /**
   * Before signing over them: these are the log's first leaves, and outlive the machine's power.
   * Throws `LOG_LEAVES_MISMATCH` when others are, `HOME_UNWRITABLE`.
   */
  keep(leaves: readonly string[]): Promise<void> {
    return this.#inTurn(async () => {
      const kept = await this.#open();
      if (!leaves.slice(0, kept.length).every((leaf, at) => leaf === kept[at]))
        throw new QuorateError('LOG_LEAVES_MISMATCH', 'the log says other things than it said before');
      const fresh = leaves.slice(kept.length);
      if (fresh.length === 0) return;
      try {
        await this.#append(fresh);
      } catch (cause) {
        // There may be half a line now.
        this.#kept = undefined;
        throw new QuorateError('HOME_UNWRITABLE', `cannot write ${this.#file}: ${messageOf(cause)}`, {
          cause,
          hint: 'The folder must be writable by you and have room.',
        });
      }
      kept.push(...fresh);
    });
  }

  async #append(leaves: readonly string[]): Promise<void> {
    const handle = await open(this.#file, 'a', 0o600);
    try {
      await handle.appendFile(leaves.map((leaf) => `${leaf}\n`).join(''));
      await handle.datasync();
    } finally {
      await handle.close();
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.catch(() => {}).then(work);
    this.#last = done;
    return done;
  }

  async #open(): Promise<string[]> {
    if (this.#kept !== undefined) return this.#kept;
    const text = (await readOptional(this.#file)) ?? '';
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    // A crash in mid-line: the rest of that leaf is asked for again.
    if (whole.length < text.length) await truncate(this.#file, Buffer.byteLength(whole));
    this.#kept = whole.split('\n').slice(0, -1);
    return this.#kept;
  }
}
