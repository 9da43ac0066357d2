import { duration, sizeText } from './quantity.ts';

/** The rate is over this long: long enough to be steady, short enough to show a change. */
const windowMs = 5_000;
/** Of what comes closer together only the last is kept: peers choose how small their blocks are. */
const apartMs = 50;
/** Before that nothing can be said about a rate. */
const settleMs = 1_000;

/** How far a transfer is. `total` is as stated by a peer, for display only; null while it is unknown. */
export interface TransferState {
  bytes: number;
  total: number | null;
  /** Over the last seconds; null before there are enough of them. */
  bytesPerSecond: number | null;
}

/** Measures a transfer. Times are milliseconds of any steady clock. */
export class TransferMeter {
  readonly #seen: { at: number; bytes: number }[] = [];
  #total: number | undefined;

  add(at: number, bytes: number, total?: number): void {
    this.#total = total;
    if (at - (this.#seen.at(-2)?.at ?? Number.NEGATIVE_INFINITY) < apartMs) this.#seen.pop();
    this.#seen.push({ at, bytes });
    while ((this.#seen[1]?.at ?? at) < at - windowMs) this.#seen.shift();
  }

  /** Undefined before anything was measured. */
  state(now: number): TransferState | undefined {
    const [first] = this.#seen;
    if (first === undefined) return undefined;
    const last = this.#seen.at(-1) ?? first;
    const ms = now - first.at;
    const known = ms >= settleMs && last.bytes > first.bytes;
    return {
      bytes: last.bytes,
      total: this.#total ?? null,
      bytesPerSecond: known ? ((last.bytes - first.bytes) / ms) * 1000 : null,
    };
  }
}

/** `12 MiB of 200 MiB, 45 MiB/s, 4.1 s left`: as much of it as is known. */
export function transferText({ bytes, total, bytesPerSecond }: TransferState): string {
  const parts = [sizeText(bytes) + (total === null ? '' : ` of ${sizeText(total)}`)];
  if (bytesPerSecond !== null) {
    parts.push(`${sizeText(bytesPerSecond)}/s`);
    if (total !== null && total > bytes)
      parts.push(`${duration(((total - bytes) / bytesPerSecond) * 1000)} left`);
  }
  return parts.join(', ');
}
