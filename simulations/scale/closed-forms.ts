import type { Offer } from '../../src/protocol/documents/index.ts';
import { fullShare, shareAt } from '../../src/protocol/trust/draw.ts';

/** Workers whose operator may claim at once, of all that are connected. */
export const firstClaims = ({ share }: Offer['draw'], workers: number): number =>
  (workers * share) / fullShare;

/** Workers whose operator may claim within so many ms, whether slots are free or not. */
export const scheduledClaims = (draw: Offer['draw'], workers: number, ms: number): number =>
  (workers * shareAt(draw, ms)) / fullShare;

/** How often the share doubles until `slots` of so many operators may claim. */
export function doublingsUntil(draw: Offer['draw'], operators: number, slots: number): number {
  let expected = 0;
  for (let doublings = 0; ; doublings++) {
    const open = shareAt(draw, doublings * draw.widenMs) / fullShare;
    const tooFew = binomialBelow(operators, open, slots);
    if (open === 1) return tooFew === 1 ? Number.POSITIVE_INFINITY : expected;
    expected += tooFew;
  }
}

/** Probability of fewer than `least` successes. */
export function binomialBelow(trials: number, probability: number, least: number): number {
  if (probability === 1) return trials < least ? 1 : 0;
  let term = (1 - probability) ** trials;
  let sum = 0;
  for (let n = 0; n < least; n++) {
    sum += term;
    term *= ((trials - n) / (n + 1)) * (probability / (1 - probability));
  }
  return Math.min(1, sum);
}

/** Part of the workers that leave within so many ms, where they stay for `stayMs` on average. */
export const leavesWithin = (ms: number, stayMs: number): number => 1 - Math.exp(-ms / stayMs);
