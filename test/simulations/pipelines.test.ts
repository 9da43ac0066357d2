import { expect, it } from 'vitest';
import { allCheckers } from '../../simulations/checkers/index.ts';
import type { Checker } from '../../simulations/observer.ts';
import type { Scenario, Work } from '../../simulations/scenario.ts';
import { allRuns } from '../../src/controller/machine/state.ts';
import { expectClean, range } from './seeds.ts';

/** That a seed goes the same way twice, other tests prove (faults.test.ts). */
const once = true as const;
const work = (name: string, over: Partial<Work> = {}): Work => ({
  name,
  nature: 'reproducible',
  submitAfterMs: 1_000,
  cancelAfterMs: undefined,
  expiresSeconds: 7200,
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
  works,
  trusted: 'late',
  second: false,
  revokes: undefined,
  charters: [],
  grantSeconds: 24 * 3600,
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
  await expectClean(range(1, 1), { scenario: scenario(Array(6).fill('honest')), checkers, once });
  expect(counts.get('inputs')).toBe(2);
  expect(counts.get('trusted')).toBeGreaterThan(0);
  expect(counts.get('agreed')).toBeGreaterThan(0);
});

/** Seeds in which the trusted worker comes once others have built on what it contradicts: under faults, and without. */
const contradicted = { faults: 4, quiet: 3 };

it('dependants of an artifact that a majority tampered with end when it is contradicted', async () => {
  const { counts, checkers } = counting();
  const tampered = scenario([...Array(6).fill('tampers-alike'), ...Array(2).fill('honest')]);
  await expectClean([contradicted.faults], { scenario: tampered, checkers, once });
  expect(counts.get('inputs')).toBeGreaterThan(0);
  expect(counts.get('input-lost')).toBeGreaterThan(0);
});

/** Rates of faults: none beside the acts of the operators and the owner. */
const quiet = {
  breakPerMessage: 0,
  gossipLoss: 0,
  stallPerMessage: 0,
  partitionPerMinute: 0,
  clockPerMinute: 0,
  controllerCrashPerEvent: 0,
  workerCrashPerEvent: 0,
  crashPerMinute: 0,
};

it('a job built on wrong bytes is built again on the right ones, and is trusted in the end', async () => {
  const { counts, checkers } = counting();
  const tampered = scenario([...Array(4).fill('tampers-alike'), ...Array(6).fill('honest')]);
  await expectClean([contradicted.quiet], { scenario: tampered, rates: quiet, checkers, once });
  expect(counts.get('input-lost')).toBe(2);
  expect(counts.get('inputs')).toBe(4);
  expect(counts.get('trusted')).toBe(2);
});

it('a revocation once all is over reaches what rests on it, and all of it is trusted again', async () => {
  const { counts, checkers } = counting();
  const policy = { agree: 2, of: 2, cosign: 'required', rounds: 4 } as const;
  const revoked: Partial<Scenario> = {
    ...scenario(Array(4).fill('honest')),
    works: [work('lib', { policy }), ...works.slice(1)],
    trusted: 'there',
    revokes: { operator: 'op0', afterMs: 200_000, ever: true },
    faultsMs: 240_000,
  };
  await expectClean([1], { scenario: revoked, rates: quiet, checkers, once });
  expect(counts.get('reopened')).toBe(2);
  expect(counts.get('trusted')).toBe(4);
});
