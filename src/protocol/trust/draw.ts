import { sha256 } from '@noble/hashes/sha2.js';
import { toUtf8 } from '../base/text.ts';
import type { Offer } from '../documents/index.ts';

/** The share at which every operator may claim. */
export const fullShare = 2 ** 32;

/** An operator's draw in a round: the first four bytes of `sha256(seed ‖ operator)`, 0 … 2^32 − 1. */
export function drawOf(operator: string, seed: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(toUtf8(seed + operator));
  return a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
}

/** The share open `elapsedMs` after the round was: doubles every `widenMs`, up to everybody. */
export function shareAt(draw: Offer['draw'], elapsedMs: number): number {
  const doublings = Math.max(0, Math.floor(elapsedMs / draw.widenMs));
  return Math.min(fullShare, draw.share * 2 ** Math.min(32, doublings));
}

/** Whether an operator with this draw may claim, so long after the round was opened. */
export function mayClaim(offer: Offer, draw: number, elapsedMs: number): boolean {
  return draw < shareAt(offer.draw, elapsedMs);
}

/** How long after the round was opened this draw may first claim, in ms. */
export function shareReachedAfter(offer: Pick<Offer, 'draw'>, draw: number): number {
  let doublings = 0;
  while (draw >= shareAt(offer.draw, doublings * offer.draw.widenMs)) doublings++;
  return doublings * offer.draw.widenMs;
}
