import { writesEnded } from './files.ts';

/** Parts of a node that are open, to be closed in reverse order. Writes into its folder that had begun by then are waited for. */
export class Closers {
  readonly #dir: string;
  readonly #open: (() => unknown)[] = [];
  #closed: Promise<void> = Promise.resolve();

  constructor(dir: string) {
    this.#dir = dir;
  }

  push(close: () => unknown): void {
    this.#open.push(close);
  }

  /** May be called again: each call ends after those before it. */
  close(): Promise<void> {
    this.#closed = this.#closed.catch(() => {}).then(() => this.#close());
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (let close = this.#open.pop(); close !== undefined; close = this.#open.pop()) await close();
    await writesEnded(this.#dir);
  }
}
