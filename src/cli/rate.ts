import { bytes, duration } from './format.ts';

/** The rate is over this long: long enough to be steady, short enough to show a change. */
const windowMs = 5_000;
/** Before that nothing can be said about a rate. */
const settleMs = 1_000;

/** How far a transfer is, how fast, and how long it will take. */
export class Rate {
  readonly #seen: { at: number; bytes: number }[] = [];
  #total: number | undefined;

  /** `at` in milliseconds of any steady clock. */
  add(at: number, bytes: number, total?: number): void {
    this.#total = total;
    this.#seen.push({ at, bytes });
    while ((this.#seen[1]?.at ?? at) < at - windowMs) this.#seen.shift();
  }

  /** `12 MiB of 200 MiB, 45 MiB/s, 4.1 s left`: as much of it as is known. */
  text(now: number): string {
    const first = this.#seen[0];
    const last = this.#seen.at(-1);
    if (first === undefined || last === undefined) return '';
    const parts = [bytes(last.bytes) + (this.#total === undefined ? '' : ` of ${bytes(this.#total)}`)];
    const ms = now - first.at;
    const perMs = (last.bytes - first.bytes) / ms;
    if (ms >= settleMs && perMs > 0) {
      parts.push(`${bytes(perMs * 1000)}/s`);
      if (this.#total !== undefined && this.#total > last.bytes)
        parts.push(`${duration((this.#total - last.bytes) / perMs)} left`);
    }
    return parts.join(', ');
  }
}
