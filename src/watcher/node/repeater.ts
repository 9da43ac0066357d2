/** Does something again and again, one after the other; `poke` has it done at once, or once it has rested. */
export class Repeater {
  readonly #act: () => Promise<number>;
  readonly #failed: (error: unknown) => void;
  readonly #restMs: number;
  /** Steady time until which it rests, however often it is poked. */
  #restsUntil = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  /** It is done once more, as soon as what goes on has ended. */
  #again = false;
  #closed = false;

  /**
   * `act` gives the wait until the next time, in milliseconds. Once it rejects, it is not done again. `restMs`: least time between two
   * beginnings.
   */
  constructor(act: () => Promise<number>, failed: (error: unknown) => void, restMs = 0) {
    [this.#act, this.#failed, this.#restMs] = [act, failed, restMs];
  }

  poke(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    const now = performance.now();
    if (now < this.#restsUntil) {
      this.#timer = setTimeout(() => this.poke(), this.#restsUntil - now);
      return;
    }
    this.#restsUntil = now + this.#restMs;
    this.#running = this.#act()
      .then((ms) => {
        this.#running = undefined;
        if (this.#closed) return;
        const wait = this.#again ? 0 : ms;
        this.#again = false;
        this.#timer = setTimeout(() => this.poke(), wait);
      })
      .catch((error: unknown) => {
        this.#closed = true;
        this.#failed(error);
      });
  }

  /** Waits for what goes on. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }
}
