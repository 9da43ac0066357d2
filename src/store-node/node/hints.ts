import { setTimeout as sleep } from 'node:timers/promises';
import { dropOldest } from '../../protocol/base/maps.ts';
import type { VerdictHint } from '../sessions/project-watch.ts';
import { storeNodeLimits } from './limits.ts';

/** A look at which the operator is told: the bundle is a moment later than the notice. */
const toldAt = 3;

interface Waiting {
  hint: VerdictHint;
  tries: number;
  /** Monotonic. */
  notBefore: number;
}

/** Verdicts that were heard of, each looked at again until it is proven. */
export class Hints {
  /** By run. */
  readonly #waiting = new Map<string, Waiting>();
  #wake = Promise.withResolvers<void>();

  /** One of a higher level is looked at at once; one that is here is not. */
  add(hint: VerdictHint): void {
    const before = this.#waiting.get(hint.run);
    if (before !== undefined && (before.hint.level === 'trusted' || hint.level === 'agreed')) return;
    this.#waiting.set(hint.run, { hint, tries: 0, notBefore: Number.NEGATIVE_INFINITY });
    dropOldest(this.#waiting, storeNodeLimits.hintsMax);
    this.#wake.resolve();
  }

  /** The first that is due. */
  due(now: number): VerdictHint | undefined {
    for (const { hint, notBefore } of this.#waiting.values()) if (notBefore <= now) return hint;
    return undefined;
  }

  done({ run, level }: VerdictHint): void {
    const before = this.#waiting.get(run);
    // Meanwhile a higher level was heard of.
    if (before !== undefined && before.hint.level === level) this.#waiting.delete(run);
  }

  /** Looks at it again later. Returns whether the operator should know. */
  again({ run, level }: VerdictHint, now: number): boolean {
    const before = this.#waiting.get(run);
    if (before === undefined || before.hint.level !== level) return false;
    this.#waiting.delete(run);
    const waits = storeNodeLimits.lookWaitsMs;
    const wait = waits[Math.min(before.tries, waits.length - 1)] ?? 0;
    this.#waiting.set(run, { ...before, tries: before.tries + 1, notBefore: now + wait });
    return before.tries + 1 === toldAt;
  }

  /** Until one may be due. */
  async wait(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const due = [...this.#waiting.values()].map(({ notBefore }) => notBefore);
    const ms = Math.max(50, Math.min(...due, now + storeNodeLimits.planMsMax) - now);
    this.#wake = Promise.withResolvers();
    const stop = new AbortController();
    const stopped = AbortSignal.any([signal, stop.signal]);
    await Promise.race([sleep(ms, undefined, { signal: stopped }).catch(() => {}), this.#wake.promise]);
    stop.abort();
  }
}
