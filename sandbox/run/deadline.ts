/** Largest delay of setTimeout, in milliseconds (24.8 days). Longer limits are cut to it. */
const timerMsMax = 2 ** 31 - 1;

/** A time limit that can be paused. Calls `reached` once with the detail of the limit when it has passed. */
export class Deadline {
  readonly #reached: (detail: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #detail = '';
  #total = 0;
  /** Milliseconds that remained at `#since`. */
  #left = 0;
  #since = 0;
  #paused = false;

  constructor(reached: (detail: string) => void) {
    this.#reached = reached;
  }

  /** Starts a new limit and drops the previous one. */
  set(milliseconds: number, detail: string): void {
    this.clear();
    this.#detail = detail;
    this.#total = milliseconds;
    this.#left = milliseconds;
    if (!this.#paused) this.#start();
  }

  /** Changes the length of the running limit. Time that has already passed counts. */
  change(milliseconds: number, detail: string): void {
    if (this.#detail === '' || milliseconds === this.#total) return;
    const passed = this.#total - this.#left + (this.#paused ? 0 : performance.now() - this.#since);
    this.set(milliseconds, detail);
    this.#left = Math.max(0, milliseconds - passed);
    clearTimeout(this.#timer);
    if (!this.#paused) this.#start();
  }

  /** Stops or resumes the clock. */
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
