import { describe, expect, it } from 'vitest';
import { alone, cosigned, usual } from '../../../simulations/attackers/policies.ts';
import { predicted, protocolOperatorsMax, protocolRuns } from '../../../simulations/attackers/protocol.ts';

describe('the real controller and workers', { timeout: 120_000 }, () => {
  it.each([
    ['tampers-alike', 'there', 3, alone],
    ['tampers-alone', 'there', protocolOperatorsMax, cosigned],
    ['tampers-alike', 'absent', 6, [usual]],
  ] as const)(
    'lease the same slots and end alike as draw and decision: %s, trusted worker %s, of %i',
    async (behaviour, trusted, operators, policies) => {
      const cast = { operators, attackers: Math.round(0.4 * operators), behaviour, trusted };
      const runs = await protocolRuns(4_000 + operators, { ...cast, policies });
      expect(runs).toHaveLength(policies.length);
      for (const found of runs) {
        const rounds = found.rounds.map((round) => round.operators);
        expect(predicted(found, cast)).toEqual({ level: found.level, tampered: found.tampered, rounds });
      }
    },
  );
});
