import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Policy } from '../../../src/protocol/documents/index.ts';
import { oddsOf } from '../../../src/protocol/trust/odds.ts';
import {
  adviceOn,
  cheapestPolicy,
  dishonestOf,
  oddsText,
  policyOdds,
  sayOdds,
} from '../../../src/protocol/trust/odds-report.ts';

const policy = (agree: number, of: number, cosign: Policy['cosign']): Policy => ({
  agree,
  of,
  cosign,
  rounds: 2,
});
const say = (of: Policy, operators: number, dishonest: number) => {
  const population = { operators, dishonest };
  return sayOdds(policyOdds(of, population, 0.01), population, 0.01).join('\n');
};

describe('odds in words', () => {
  it('are rounded to neither of the ends', () => {
    const texts = [0, 1e-9, 0.0023, 0.0451, 0.1273, 0.99, 0.9999, 1].map(oddsText);
    expect(texts).toEqual(['0', '<0.01%', '0.23%', '4.5%', '13%', '99%', '>99%', '100%']);
    expect([0.00994, 0.00996, 0.0996].map(oddsText)).toEqual(['0.99%', '1%', '10%']);
  });

  it('count a part of a suspect as one', () => {
    expect(dishonestOf(12, 0.2)).toBe(3);
    expect(dishonestOf(30, 0.1)).toBe(3);
    expect(dishonestOf(3, 0)).toBe(0);
    expect(dishonestOf(3, 1)).toBe(3);
  });

  it('name the condition under which the co-signature holds', () => {
    expect(say(policy(2, 3, 'required'), 12, 3)).toContain('Were the trusted worker taken over as well, 25%');
    expect(say(policy(2, 3, 'none'), 12, 3)).toContain(
      'It is trusted then, as no co-signature is asked for.',
    );
    expect(say(policy(2, 3, 'none'), 12, 1)).toContain('never gets the 2 votes');
    expect(say(policy(2, 3, 'none'), 3, 2)).toContain('so many honest ones are not there');
    expect(say(policy(2, 3, 'none'), 2, 0)).toContain('Only 2 of the 3 slots of a round can be taken.');
  });

  it('advise a policy that keeps the risk, and say where none does', () => {
    const advice = (operators: number, dishonest: number) =>
      adviceOn({ operators, dishonest }, { risk: 0.01, rounds: 2 }).join('\n');
    expect(advice(3, 1)).toContain('2/3 does');
    expect(advice(12, 3)).toContain('4/7 does');
    expect(advice(40, 8)).toContain('5/9 does');
    expect(advice(40, 14)).toContain('Without the co-signature no policy does');
    expect(advice(12, 3)).toContain('quorate charter set --floor 2/3+cosign --test-floor 4/7');
    expect(advice(3, 2)).toContain('They can block it in 100% of the jobs.');
    expect(advice(3, 2)).toContain('--test-floor 2/3+cosign');
    expect(advice(2, 1)).toMatch(/2\/2\+cosign.*\n[\s\S]*Invite more operators/);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(60), (operators, percent) => {
        const population = { operators, dishonest: dishonestOf(operators, percent / 100) };
        const found = cheapestPolicy(population, { risk: 0.01, rounds: 2, cosign: 'required' });
        if (found === undefined) return;
        expect(oddsOf(found, population).trustedIfTakenOver).toBeLessThanOrEqual(0.01);
        expect(found.of).toBeLessThanOrEqual(operators);
      }),
    );
  });
});
