import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Policy } from '../../../src/protocol/documents/index.ts';
import {
  agreedOdds,
  dishonestMax,
  drawOdds,
  type Odds,
  oddsOf,
  type Population,
} from '../../../src/protocol/trust/odds.ts';

const policy = (agree: number, of: number, more: Partial<Policy> = {}): Policy => ({
  agree,
  of,
  cosign: 'none',
  rounds: 2,
  ...more,
});

const policies = fc
  .record({
    of: fc.integer({ min: 1, max: 7 }),
    spare: fc.nat({ max: 3 }),
    cosign: fc.constantFrom('required' as const, 'none' as const),
    rounds: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ of, spare, cosign, rounds }) => ({
    agree: Math.min(of, Math.floor(of / 2) + 1 + spare),
    of,
    cosign,
    rounds,
  }));

const populations = (max: number) =>
  fc
    .record({ operators: fc.integer({ min: 1, max }), share: fc.nat({ max: 100 }) })
    .map(({ operators, share }) => ({ operators, dishonest: Math.floor((operators * share) / 100) }));

/** All orders in which operators can be drawn; true: of the party. */
function* orders({ operators, dishonest }: Population): Generator<boolean[]> {
  if (operators === 0) yield [];
  else {
    if (dishonest > 0)
      for (const rest of orders({ operators: operators - 1, dishonest: dishonest - 1 }))
        yield [true, ...rest];
    if (dishonest < operators)
      for (const rest of orders({ operators: operators - 1, dishonest })) yield [false, ...rest];
  }
}

/** One run: rounds take operators in this order. */
function play({ agree, of, rounds, cosign }: Policy, order: readonly boolean[], trustedTaken: boolean) {
  let at = 0;
  let builds = cosign === 'required' ? 1 : 0;
  let [tampered, accepted] = [false, false];
  for (let round = 1; round <= rounds && !accepted; round++) {
    if (round > 1 && order.length - at < agree) break;
    const drawn = order.slice(at, at + of);
    at += drawn.length;
    builds += drawn.length;
    const party = drawn.filter((one) => one).length;
    if (party >= agree) {
      tampered = true;
      if (cosign === 'none' || trustedTaken) break;
    }
    if (drawn.length - party >= agree && !trustedTaken) accepted = true;
  }
  return { tampered, accepted, builds };
}

/** The odds by counting. A run that goes on after a tampered agreement, for the trusted worker's word, counts it once. */
function counted(of: Policy, population: Population) {
  const all = [...orders(population)];
  const share = (holds: (order: boolean[]) => boolean) => all.filter(holds).length / all.length;
  const plays = all.map((order) => play(of, order, false));
  const accepted = plays.filter((run) => run.accepted).length;
  const first = (order: boolean[]) => order.slice(0, of.of);
  const party = (order: boolean[]) => first(order).filter((one) => one).length;
  return {
    agreedInRound: share((order) => party(order) >= of.agree),
    agreed: share((order) => play({ ...of, cosign: 'none' }, order, false).tampered),
    trustedIfTakenOver: share((order) => play(of, order, of.cosign === 'required').tampered),
    blockedInRound: share((order) => first(order).length - party(order) < of.agree),
    blocked: 1 - accepted / all.length,
    unnoticed: share((order) => party(order) >= of.agree && party(order) === first(order).length),
    builds: accepted === 0 ? null : plays.reduce((sum, { builds }) => sum + builds, 0) / accepted,
  };
}

/** One round with silent operators: all slots are taken at once, and a silent one is leased once more. */
function delivers({ of }: Policy, order: readonly boolean[]): number {
  const queue = [...order];
  let slots = Array.from({ length: of }, () => 0);
  let delivered = 0;
  while (slots.length > 0 && queue.length > 0) {
    const again: number[] = [];
    for (const leases of slots) {
      const next = queue.shift();
      if (next === false) delivered++;
      else if (next === true && leases === 0) again.push(1);
    }
    slots = again;
  }
  return delivered;
}

describe('odds of a policy', () => {
  it('are those of a count of all draws', () => {
    fc.assert(
      fc.property(policies, populations(10), (of, population) => {
        const odds = oddsOf(of, population);
        const { unnoticed, builds, ...equal } = counted(of, population);
        for (const [name, value] of Object.entries(equal))
          expect(odds[name as keyof Odds], name).toBeCloseTo(value, 12);
        expect(odds.trusted).toBe(of.cosign === 'required' ? 0 : odds.agreed);
        if (builds === null) expect(odds.builds).toBeNull();
        else expect(odds.builds).toBeCloseTo(builds, 10);
        if (equal.agreedInRound === 0) expect(odds.noticed).toBeNull();
        else
          expect(odds.noticed).toBeCloseTo(
            of.cosign === 'required' ? 1 : 1 - unnoticed / equal.agreedInRound,
            10,
          );
      }),
      { numRuns: 60 },
    );
  });

  it('count silent operators as the leases of a round go', () => {
    fc.assert(
      fc.property(policies, populations(9), (of, population) => {
        const all = [...orders(population)];
        const stalled = all.filter((order) => delivers(of, order) < of.agree).length / all.length;
        expect(oddsOf({ ...of, rounds: 1 }, population).stalled).toBeCloseTo(stalled, 12);
      }),
      { numRuns: 60 },
    );
  });

  it('lie between 0 and 1 and grow with the party, for 1 to 100,000 operators', () => {
    fc.assert(
      fc.property(policies, populations(100_000), (of, { operators, dishonest }) => {
        const odds = oddsOf(of, { operators, dishonest });
        const more = oddsOf(of, { operators, dishonest: Math.min(operators, dishonest + 1) });
        for (const name of [
          'agreedInRound',
          'agreed',
          'trusted',
          'trustedIfTakenOver',
          'blockedInRound',
          'blocked',
          'stalled',
        ] as const) {
          expect(odds[name], name).toBeGreaterThanOrEqual(0);
          expect(odds[name], name).toBeLessThanOrEqual(1);
          expect(more[name] - odds[name], name).toBeGreaterThan(-1e-9);
        }
        expect(odds.agreed).toBeGreaterThanOrEqual(odds.agreedInRound - 1e-12);
        expect(odds.trustedIfTakenOver).toBeGreaterThanOrEqual(odds.agreed - 1e-12);
        // In later rounds silent operators are asked again, and those that lied are not.
        expect(oddsOf({ ...of, rounds: 1 }, { operators, dishonest }).stalled).toBeLessThanOrEqual(
          odds.blockedInRound + 1e-9,
        );
      }),
    );
  });

  it('of a draw sum up to 1, and come near the binomial distribution in a large population', () => {
    const population = { operators: 100_000, dishonest: 20_000 };
    const draws = Array.from({ length: 8 }, (_, drawn) => drawOdds(population, 7, drawn));
    expect(draws.reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 12);
    // 7 over 3, of 0.2^3 0.8^4
    expect(draws[3]).toBeCloseTo(35 * 0.2 ** 3 * 0.8 ** 4, 4);
    expect(drawOdds(population, 7, 8)).toBe(0);
  });

  it('of small projects can be done by hand', () => {
    const twelve = { operators: 12, dishonest: 3 };
    // (3 over 2 · 9 + 3 over 3) of 12 over 3
    expect(oddsOf(policy(2, 3), twelve).agreed).toBeCloseTo(28 / 220, 12);
    expect(oddsOf(policy(1, 1), twelve).agreed).toBeCloseTo(3 / 12, 12);
    expect(oddsOf(policy(2, 2, { rounds: 1 }), twelve).agreed).toBeCloseTo(3 / 66, 12);
    // One of three slots is not the party's: 27 of 28 tampered agreements are noticed.
    expect(oddsOf(policy(2, 3), twelve).noticed).toBeCloseTo(27 / 28, 12);
    expect(oddsOf(policy(2, 3, { cosign: 'required' }), twelve)).toMatchObject({
      trusted: 0,
      noticed: 1,
      lacking: false,
    });
    expect(oddsOf(policy(2, 3), { operators: 12, dishonest: 0 })).toEqual({
      asked: 3,
      agreedInRound: 0,
      agreed: 0,
      trusted: 0,
      trustedIfTakenOver: 0,
      noticed: null,
      blockedInRound: 0,
      blocked: 0,
      stalled: 0,
      lacking: false,
      builds: 3,
    });
    expect(oddsOf(policy(2, 3), { operators: 1, dishonest: 0 })).toMatchObject({
      asked: 1,
      blocked: 1,
      stalled: 1,
      lacking: true,
      builds: null,
    });
  });

  it('that are certain are exact', () => {
    const cosigned = policy(2, 3, { cosign: 'required', rounds: 8 });
    expect(oddsOf(cosigned, { operators: 12, dishonest: 4 }).blocked).toBe(0);
    expect(oddsOf(policy(2, 3), { operators: 12, dishonest: 11 })).toMatchObject({ agreed: 1, blocked: 1 });
    expect(oddsOf(policy(3, 5), { operators: 12, dishonest: 3 }).noticed).toBe(1);
  });

  it('say how many operators may be dishonest', () => {
    expect(dishonestMax(policy(2, 3), 12, 0)).toBe(1);
    expect(dishonestMax(policy(2, 3), 12, 0.05)).toBe(2);
    expect(dishonestMax(policy(2, 3), 12, 28 / 220 + 1e-12)).toBe(3);
    expect(dishonestMax(policy(2, 3), 12, 1)).toBe(12);
    fc.assert(
      fc.property(
        policies,
        fc.integer({ min: 1, max: 2000 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        (of, operators, risk) => {
          const dishonest = dishonestMax(of, operators, risk);
          expect(agreedOdds(of, { operators, dishonest })).toBeLessThanOrEqual(risk);
          if (dishonest < operators)
            expect(agreedOdds(of, { operators, dishonest: dishonest + 1 })).toBeGreaterThan(risk);
        },
      ),
    );
  });
});
