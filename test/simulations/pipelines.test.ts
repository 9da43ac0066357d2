import { expect, it } from 'vitest';
import { allCheckers } from '../../simulations/checkers/index.ts';
import type { Checker } from '../../simulations/observer.ts';
import type { Scenario, Work } from '../../simulations/scenario.ts';
import { allRuns } from '../../src/core/controller/state.ts';
import { expectClean, range } from './seeds.ts';

const work = (name: string, over: Partial<Work> = {}): Work => ({
  ...{ name, nature: 'reproducible', submitAfterMs: 1_000, cancelAfterMs: undefined, expiresSeconds: 7200 },
  policy: { agree: 2, of: 3, cosign: 'required', rounds: 3 },
  ...over,
});
const open = { agree: 2, of: 3, cosign: 'none', rounds: 3 } as const;
const works = [
  work('lib'),
  work('test', { needs: { lib: 'agreed' }, policy: open }),
  work('app', { needs: { lib: 'agreed', test: 'agreed' } }),
];
const scenario = (behaviours: Scenario['operators'][number]['behaviour'][]): Partial<Scenario> => ({
  operators: behaviours.map((behaviour, n) => ({
    name: `op${n}`,
    hosts: [`op${n}`],
    behaviour,
    joinsLate: false,
  })),
  ...{ works, trusted: 'late', second: false, revokes: undefined, charters: [], grantSeconds: 24 * 3600 },
});

/** How often each kind of progress came about in the runs that read something. */
function counting(): { counts: Map<string, number>; checkers: () => Checker[] } {
  const counts = new Map<string, number>();
  const count: Checker = {
    invariant: 'count',
    observe(seen) {
      if (seen.kind !== 'ended') return;
      for (const { history, request } of allRuns(seen.state))
        if (request.payload.needs !== undefined)
          for (const { progress } of history) {
            const what = progress.kind === 'verdict' ? progress.level : progress.kind;
            counts.set(what, (counts.get(what) ?? 0) + 1);
          }
    },
  };
  return { counts, checkers: () => [...allCheckers(), count] };
}

it('under faults all that rests on others gets ahead of them, and rises with them', async () => {
  const { counts, checkers } = counting();
  await expectClean(range(1, 1), { scenario: scenario(Array(6).fill('honest')), checkers });
  expect(counts.get('inputs')).toBe(2);
  expect(counts.get('trusted')).toBeGreaterThan(0);
  expect(counts.get('agreed')).toBeGreaterThan(0);
});

it('nothing outlives the contradiction of what a majority tampered with', async () => {
  const { counts, checkers } = counting();
  const tampered = scenario([...Array(6).fill('tampers-alike'), ...Array(2).fill('honest')]);
  await expectClean(range(1, 1), { scenario: tampered, checkers });
  expect(counts.get('inputs')).toBeGreaterThan(0);
  expect(counts.get('input-lost')).toBeGreaterThan(0);
});
