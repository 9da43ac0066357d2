/** The longest a timer can wait is 24 days: no limit worth the name. */
const timerMsMax = 2 ** 31 - 1;

/** A time limit that can stand still. */
export class Deadline {
  readonly #reached: (detail: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #detail = '';
  #total = 0;
  /** Milliseconds that are left, counted from `#since`. */
  #left = 0;
  #since = 0;
  #paused = false;

  constructor(reached: (detail: string) => void) {
    this.#reached = reached;
  }

  /** Replaces the limit before. */
  set(milliseconds: number, detail: string): void {
    this.clear();
    this.#detail = detail;
    this.#total = milliseconds;
    this.#left = milliseconds;
    if (!this.#paused) this.#start();
  }

  /** Another limit for what runs already; what has passed, has passed. */
  change(milliseconds: number, detail: string): void {
    if (this.#detail === '' || milliseconds === this.#total) return;
    const passed = this.#total - this.#left + (this.#paused ? 0 : performance.now() - this.#since);
    this.set(milliseconds, detail);
    this.#left = Math.max(0, milliseconds - passed);
    clearTimeout(this.#timer);
    if (!this.#paused) this.#start();
  }

  pause(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (this.#detail === '') return;
    if (!paused) return this.#start();
    clearTimeout(this.#timer);
    this.#left = Math.max(0, this.#left - (performance.now() - this.#since));
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#detail = '';
  }

  #start(): void {
    this.#since = performance.now();
    this.#timer = setTimeout(() => this.#reached(this.#detail), Math.min(this.#left, timerMsMax));
  }
}
