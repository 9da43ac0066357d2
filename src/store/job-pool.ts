import { storeLimits } from './limits.ts';

/** Runs jobs with at most `storeLimits.blockJobsMax` at once; `drain` waits for all and rethrows the first failure. */
export class JobPool {
  readonly #running = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  async run(job: () => Promise<void>): Promise<void> {
    while (this.#running.size >= storeLimits.blockJobsMax) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
    const task = job()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Waits for every job, failed or not. @throws the first failure */
  async drain(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
