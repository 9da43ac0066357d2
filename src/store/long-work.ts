import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';

/** Longest time for which long work holds the event loop at a stretch, in milliseconds. */
const sliceMs = 2;

/**
 * Long work in slices, between which others are served: `if (slices.isOver) await slices.next()` after each piece. The slice is one of
 * the work, so a wait for a disk in between counts too.
 */
export class LongWork {
  readonly #signal: AbortSignal | undefined;
  #end = performance.now() + sliceMs;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  get isOver(): boolean {
    return performance.now() >= this.#end;
  }

  /** The next slice, in a later turn of the event loop. @throws the reason of the signal */
  async next(): Promise<void> {
    await setImmediate();
    this.#signal?.throwIfAborted();
    this.#end = performance.now() + sliceMs;
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

/** The sha256 of bytes in hexadecimal, in slices. */
export async function sha256InSlices(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  const slices = new LongWork();
  for (let at = 0; at < bytes.length; at += hashedBytes) {
    hash.update(bytes.subarray(at, at + hashedBytes));
    if (slices.isOver) await slices.next();
  }
  return hash.digest('hex');
}
