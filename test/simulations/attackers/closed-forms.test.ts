import { describe, expect, it } from 'vitest';
import { drawing } from '../../../simulations/attackers/attacks.ts';
import { Draws, lowestDraws } from '../../../simulations/attackers/draw.ts';
import { attackNamed, controllerFigure } from '../../../simulations/attackers/figures/acceptance.ts';
import { lackFigure } from '../../../simulations/attackers/figures/cost.ts';
import { interval } from '../../../simulations/attackers/figures/table.ts';
import { measure } from '../../../simulations/attackers/measure.ts';
import { nameOf, policies } from '../../../simulations/attackers/policies.ts';
import { drawOf } from '../../../src/protocol/trust/draw.ts';
import { oddsOf } from '../../../src/protocol/trust/odds.ts';

const jobs = 1_000;
// Seeds are fixed: what holds once holds always. Of some hundred intervals at four deviations all are to hold.
const holds = (share: number, exact: number, count = jobs) => {
  const { low, high } = interval(share, count, 4);
  return low - 1e-9 <= exact && exact <= high + 1e-9;
};

describe('the draw', () => {
  it('gives the lowest draws of production, also where the first share has too few', () => {
    const names = Array.from({ length: 300 }, (_, n) => `someone ${n}`);
    const sorted = [...names.keys()].sort(
      (a, b) => drawOf(names[a] ?? '', 'f') - drawOf(names[b] ?? '', 'f'),
    );
    for (const count of [1, 7, 28, 300, 400])
      expect(lowestDraws(names, 'f', count)).toEqual(sorted.slice(0, count));
  });

  it.each([10, 100])('is hypergeometric among %i operators', (size) => {
    const draws = new Draws(size, jobs, 'closed');
    // The trusted worker comes after both rounds, so that it keeps nothing from being agreed.
    const attack = attackNamed('trusted worker slow');
    const wrong = policies.flatMap((policy) =>
      [10, 20, 40, 60].flatMap((percent) => {
        const setting = { draws, share: percent / 100, oneVote: true };
        const found = measure(attack, policy, setting, jobs, 'closed');
        const odds = oddsOf(policy, { operators: size, dishonest: drawing(setting) });
        const pairs = [
          ['agreed', found.agreed, odds.agreed],
          ['trusted', found.trusted, odds.trusted],
          ['honest', found.honest, 1 - odds.blocked],
        ] as const;
        return pairs.flatMap(([what, share, exact]) =>
          holds(share, exact) ? [] : [{ policy: nameOf(policy), percent, what, share, exact }],
        );
      }),
    );
    expect(wrong).toEqual([]);
  });
});

describe('a trusted worker that is taken over', () => {
  it('wins as often as the closed form says', () => {
    const draws = new Draws(100, jobs, 'closed');
    const attack = attackNamed('trusted worker taken over');
    for (const policy of policies) {
      const setting = { draws, share: 0.3, oneVote: true };
      const { trusted } = measure(attack, policy, setting, jobs, 'closed');
      const { trustedIfTakenOver } = oddsOf(policy, { operators: 100, dishonest: 30 });
      expect({ policy, holds: holds(trusted, trustedIfTakenOver) }).toEqual({ policy, holds: true });
    }
  });
});

describe('a controller that tries seeds', () => {
  it('wins as often as one of them does', () => {
    const { table } = controllerFigure(new Draws(100, 2_000, 'closed'), 200, 'closed');
    const at = (column: string) => table.columns.indexOf(column);
    expect(table.rows.length).toBeGreaterThan(20);
    for (const row of table.rows) {
      const [share, exact] = [Number(row[at('trusted')]), Number(row[at('exact')])];
      // Selections of seeds overlap, so that the interval is that of fewer jobs.
      expect({ row, holds: holds(share, exact, 100) }).toEqual({ row, holds: true });
    }
  });
});

describe('too few operators', () => {
  it('are binomial', () => {
    const { table } = lackFigure((size) => new Draws(size, 500, 'closed'), 500, 'closed');
    const at = (column: string) => table.columns.indexOf(column);
    expect(table.rows.length).toBeGreaterThan(50);
    for (const row of table.rows) {
      const [failed, exact] = [Number(row[at('failed')]), Number(row[at('exact')])];
      expect({ row, holds: holds(failed, exact, 500) }).toEqual({ row, holds: true });
    }
  });
});
