import type { Clock } from '../../protocol/sessions/ports.ts';

/** Does something again and again, one after the other; `poke` has it done at once, or once it has rested. */
export class Repeater {
  readonly #clock: Pick<Clock, 'after' | 'monotonic'>;
  readonly #act: () => Promise<number>;
  readonly #failed: (error: unknown) => void;
  readonly #restMs: number;
  /** Monotonic time until which it rests, however often it is poked. */
  #restsUntil = Number.NEGATIVE_INFINITY;
  #cancel = () => {};
  #running: Promise<void> | undefined;
  /** It is done once more, as soon as what goes on has ended. */
  #again = false;
  #closed = false;

  /** `act` returns ms until the next time; once it rejects it is not repeated. `restMs`: least time between two beginnings. */
  constructor(
    clock: Pick<Clock, 'after' | 'monotonic'>,
    act: () => Promise<number>,
    failed: (error: unknown) => void,
    restMs = 0,
  ) {
    [this.#clock, this.#act, this.#failed, this.#restMs] = [clock, act, failed, restMs];
  }

  poke(): void {
    if (this.#closed) return;
    this.#cancel();
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    const now = this.#clock.monotonic();
    if (now < this.#restsUntil) return this.#pokeAfter(this.#restsUntil - now);
    this.#restsUntil = now + this.#restMs;
    this.#running = this.#act()
      .then((ms) => {
        this.#running = undefined;
        if (this.#closed) return;
        const wait = this.#again ? 0 : ms;
        this.#again = false;
        this.#pokeAfter(wait);
      })
      .catch((error: unknown) => {
        this.#closed = true;
        this.#failed(error);
      });
  }

  #pokeAfter(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => this.poke());
  }

  /** Waits for what goes on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#running;
  }
}
