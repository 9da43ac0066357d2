import { createHash } from 'node:crypto';
import { type EventLoop, Slices } from '../protocol/base/slices.ts';

const loop: EventLoop = {
  now: () => performance.now(),
  // A browser, where trees are built too, has no `setImmediate`.
  turn: (act) => (typeof setImmediate === 'function' ? setImmediate(act) : setTimeout(act)),
};

/** Slices of work in this process, which ends with a signal. */
export class LongWork extends Slices {
  readonly #signal: AbortSignal | undefined;

  constructor(signal?: AbortSignal) {
    super(loop);
    this.#signal = signal;
  }

  /** @throws the reason of the signal */
  override async next(): Promise<void> {
    await super.next();
    this.#signal?.throwIfAborted();
  }
}

/** Items sorted as `sort` does, up to this many of them at a stretch. */
const runItems = 512;

/** `items.toSorted(compare)` in slices. */
export async function sortInSlices<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  slices: LongWork,
): Promise<T[]> {
  let runs: T[][] = [];
  for (let at = 0; at < items.length; at += runItems) {
    runs.push(items.slice(at, at + runItems).sort(compare));
    if (slices.isOver) await slices.next();
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let n = 0; n < runs.length; n += 2)
      merged.push(await mergeInSlices(runs[n] ?? [], runs[n + 1] ?? [], compare, slices));
    runs = merged;
  }
  return runs[0] ?? [];
}

async function mergeInSlices<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (a: T, b: T) => number,
  slices: LongWork,
): Promise<T[]> {
  const all: T[] = [];
  let [l, r] = [0, 0];
  while (l < left.length || r < right.length) {
    const fromLeft = r >= right.length || (l < left.length && compare(left[l] as T, right[r] as T) <= 0);
    all.push((fromLeft ? left[l++] : right[r++]) as T);
    if (all.length % runItems === 0 && slices.isOver) await slices.next();
  }
  return all;
}

/** Bytes hashed at a stretch: a fifth of a millisecond. */
const hashedBytes = 256 * 1024;

export async function sha256InSlices(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  const slices = new LongWork();
  for (let at = 0; at < bytes.length; at += hashedBytes) {
    hash.update(bytes.subarray(at, at + hashedBytes));
    if (slices.isOver) await slices.next();
  }
  return hash.digest('hex');
}
