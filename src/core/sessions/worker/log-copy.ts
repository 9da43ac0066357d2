import { QuorateError } from '../../errors.ts';
import type { LeafFile } from './ports.ts';

/** Asks for the leaves of the log from an index on; as many as fit into one answer. */
export type AskLeaves = (from: number) => Promise<readonly string[]>;

/**
 * A worker's own copy of the project's log, on which its signatures rest. Leaves that were kept once stay: a log that was
 * rewritten since does not fit its own checkpoint any more. Leaves that no checkpoint covers are not kept, else one slip
 * of a controller would last for ever.
 */
export class LogCopy {
  readonly #file: LeafFile;
  #kept: string[] | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(file: LeafFile) {
    this.#file = file;
  }

  /** The first `size` leaves: those that a checkpoint covers. Errors: `LOG_UNREADABLE`, `HOME_UNREADABLE`, those of `ask`. */
  async read(size: number, ask: AskLeaves): Promise<string[]> {
    const leaves = (await this.#inTurn(() => this.#load())).slice(0, size);
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

  /** Those that were kept. Errors: `HOME_UNREADABLE`. */
  get kept(): Promise<readonly string[]> {
    return this.#inTurn(() => this.#load());
  }

  /**
   * Keeps the log's first leaves on disk, before this worker signs over them.
   * Errors: `LOG_LEAVES_MISMATCH` where other leaves were kept before, `HOME_UNWRITABLE`.
   */
  keep(leaves: readonly string[]): Promise<void> {
    return this.#inTurn(async () => {
      const kept = await this.#load();
      if (!leaves.slice(0, kept.length).every((leaf, at) => leaf === kept[at]))
        throw new QuorateError('LOG_LEAVES_MISMATCH', 'the log says other things than it said before');
      const fresh = leaves.slice(kept.length);
      if (fresh.length === 0) return;
      try {
        await this.#file.append(fresh);
      } catch (error) {
        // A leaf may have been written in part.
        this.#kept = undefined;
        throw error;
      }
      kept.push(...fresh);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.catch(() => {}).then(work);
    this.#last = done;
    return done;
  }

  async #load(): Promise<string[]> {
    this.#kept ??= await this.#file.load();
    return this.#kept;
  }
}
