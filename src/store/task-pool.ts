import { storeLimits } from './limits.ts';

/** Runs tasks with at most `storeLimits.blockTasksMax` at once; `drain` waits for all and rethrows the first failure. */
export class TaskPool {
  readonly #running = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  async run(start: () => Promise<void>): Promise<void> {
    while (this.#running.size >= storeLimits.blockTasksMax) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
    const task = start()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Waits for every task, failed or not. @throws the first failure */
  async drain(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
