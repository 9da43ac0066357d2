import { QuorateError } from '../base/errors.ts';
import { oneByOne } from '../base/one-by-one.ts';
import { LogIndex, LogView } from '../trust/index.ts';
import { sessionLimits } from './limits.ts';
import type { LeafFile } from './ports.ts';

/** @throws `LOG_TOO_LARGE`. */
export function checkLogSize(size: number): void {
  if (size > sessionLimits.logLeavesMax)
    throw new QuorateError(
      'LOG_TOO_LARGE',
      `the log has ${size} leaves; ${sessionLimits.logLeavesMax} are read at most`,
    );
}

/** Asks for the leaves of the log from an index on; as many as fit into one answer. */
type AskLeaves = (from: number) => Promise<readonly string[]>;

/**
 * A worker's own copy of the log, on which its signatures rest. Kept leaves stay, so that a rewritten log does not fit; those that no
 * checkpoint covers are not kept, else one slip of a controller would last for ever.
 */
export class LogCopy {
  readonly #file: LeafFile;
  #kept: LogIndex | undefined;
  readonly #inTurn = oneByOne();

  constructor(file: LeafFile) {
    this.#file = file;
  }

  /** The first `size` leaves: those that a checkpoint covers. @throws `LOG_UNREADABLE`, `HOME_UNREADABLE`, those of `ask`. */
  async read(size: number, ask: AskLeaves): Promise<LogView> {
    const kept = await this.#inTurn(() => this.#load());
    const from = Math.min(size, kept.tree.size);
    const fresh: string[] = [];
    for (let at = from; at < size; at = from + fresh.length) {
      const more = await ask(at);
      if (more.length === 0) {
        throw new QuorateError(
          'LOG_UNREADABLE',
          `the controller's log ends at ${at} leaves, its checkpoint says ${size}`,
        );
      }
      fresh.push(...more.slice(0, size - at));
    }
    return new LogView(kept, from, fresh);
  }

  /** Number of leaves that are kept. @throws `HOME_UNREADABLE`. */
  get size(): Promise<number> {
    return this.#inTurn(async () => (await this.#load()).tree.size);
  }

  /** Those that were kept. @throws `HOME_UNREADABLE`. */
  get kept(): Promise<readonly string[]> {
    return this.#inTurn(async () => (await this.#load()).tree.leaves());
  }

  /** Of those that were kept, from an index on: `max` at most. @throws `HOME_UNREADABLE`. */
  async keptFrom(from: number, max: number): Promise<readonly string[]> {
    const { tree } = await this.#inTurn(() => this.#load());
    const at = Math.min(from, tree.size);
    return tree.leaves(at, Math.min(tree.size, at + max));
  }

  /**
   * Keeps leaves on disk before this worker signs over them.
   * @throws {QuorateError} `LOG_LEAVES_MISMATCH` where other leaves were kept before, `HOME_UNWRITABLE`
   */
  keep({ from, fresh }: LogView): Promise<void> {
    return this.#inTurn(async () => {
      const { tree } = await this.#load();
      // Another draft's may have been kept since it was read.
      const known = tree.leaves(from, Math.min(tree.size, from + fresh.length));
      if (!known.every((leaf, at) => leaf === fresh[at]))
        throw new QuorateError('LOG_LEAVES_MISMATCH', 'the log says other things than it said before');
      const further = fresh.slice(known.length);
      if (further.length === 0) return;
      try {
        await this.#file.append(further);
      } catch (error) {
        // A leaf may have been written in part.
        this.#kept = undefined;
        throw error;
      }
      for (const leaf of further) this.#kept?.append(leaf);
    });
  }

  async #load(): Promise<LogIndex> {
    this.#kept ??= new LogIndex(await this.#file.load());
    return this.#kept;
  }
}
