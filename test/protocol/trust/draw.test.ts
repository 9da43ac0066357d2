import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Offer } from '../../../src/protocol/documents/index.ts';
import { drawOf, fullShare, mayClaim, shareAt, shareReachedAfter } from '../../../src/protocol/trust/draw.ts';

const draw = { seed: 'a'.repeat(22), share: 2 ** 20, widenMs: 1000 };
const offer = { draw } as Offer;

describe('the draw', () => {
  it('is the start of sha256(seed ‖ operator)', () => {
    const digest = createHash('sha256').update(`${draw.seed}ada`).digest();
    expect(drawOf('ada', draw.seed)).toBe(digest.readUInt32BE(0));
  });

  it('is spread evenly', () => {
    const draws = Array.from({ length: 4000 }, (_, i) => drawOf(`operator-${i}`, draw.seed));
    const low = draws.filter((d) => d < fullShare / 4).length;
    expect(low).toBeGreaterThan(900);
    expect(low).toBeLessThan(1100);
  });

  it('share doubles with each step, up to everybody', () => {
    expect([0, 999, 1000, 1999, 2000].map((ms) => shareAt(draw, ms) / draw.share)).toEqual([1, 1, 2, 2, 4]);
    expect(shareAt(draw, 12_000)).toBe(fullShare);
    expect(shareAt(draw, 1e15)).toBe(fullShare);
    expect(shareAt(draw, -5000)).toBe(draw.share);
  });

  it('admits a draw exactly when the share has passed it', () => {
    for (const d of [0, draw.share - 1, draw.share, 12345678, 2 ** 31, fullShare - 1]) {
      const ms = shareReachedAfter(offer, d);
      expect(mayClaim(offer, d, ms)).toBe(true);
      if (ms > 0) expect(mayClaim(offer, d, ms - 1)).toBe(false);
    }
  });
});
