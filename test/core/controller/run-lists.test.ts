import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RunFacts } from '../../../src/core/controller/facts.ts';
import { controllerLimits } from '../../../src/core/controller/limits.ts';
import { RunIndex } from '../../../src/core/controller/run-index.ts';
import { type RunFilter, standingOf } from '../../../src/core/controller/run-lists.ts';

interface Made {
  ref: string;
  name: string;
  level: 'trusted' | 'disputed' | undefined;
}

/** The facts that lists look at. */
const runOf = ({ ref, name, level }: Made, at: number): RunFacts =>
  ({
    id: String(at).padStart(64, '0'),
    jobId: `job${at}`,
    job: { name },
    request: { payload: { ref } },
    publisher: { payload: { operator: name } },
    revoked: null,
    phase: level === undefined ? { kind: 'building' } : { kind: 'done', published: { verdict: { level } } },
  }) as unknown as RunFacts;

function indexOf(all: readonly Made[]): { index: RunIndex<RunFacts>; runs: RunFacts[] } {
  const index = new RunIndex<RunFacts>();
  const open = all.map((one, at) => runOf({ ...one, level: undefined }, at));
  for (const run of open) index.submitted(run);
  const runs = all.map(runOf);
  // They end in another order than they began in.
  for (const run of runs.toReversed()) {
    index.replaced(run);
    index.stirred(run.id);
  }
  return { index, runs };
}

function everyPage(index: RunIndex<RunFacts>, filter: RunFilter, max: number): RunFacts[] {
  const found: RunFacts[] = [];
  for (let before: number | undefined = index.size; before !== undefined; ) {
    const page = index.list(filter, max, before);
    expect(page.runs.length).toBeLessThanOrEqual(max);
    found.push(...page.runs);
    before = page.next;
  }
  return found;
}

const made = fc.record({
  ref: fc.constantFrom('main', 'topic'),
  name: fc.constantFrom('build', 'test'),
  level: fc.constantFrom('trusted' as const, 'disputed' as const, undefined),
});
const maybe = <T>(...all: T[]) => fc.constantFrom<T | undefined>(...all, undefined);

it('lists a run that has ended by the state of its account', () => {
  const of = (level: string, published: object, revoked: unknown = null) =>
    standingOf({
      revoked,
      phase: { kind: 'done', published: { verdict: { level }, ...published } },
    } as never);
  expect(of('unfinished', { ending: 'too-few' })).toBe('unfinished');
  expect(of('unfinished', { ending: 'aborted', limit: { name: 'files', max: 2000 } })).toBe('aborted');
  // Under rules 1 each of them was disputed.
  expect(of('disputed', { ending: 'too-few' })).toBe('unfinished');
  expect(of('agreed', { ending: null })).toBe('agreed');
  expect(of('agreed', { ending: null }, {})).toBe('revoked');
  const open = { kind: 'agreed', published: { verdict: { level: 'agreed' } } };
  expect(standingOf({ revoked: null, phase: open } as never)).toBe('open');
});

it('pages hold what a scan finds, the newest first', () => {
  fc.assert(
    fc.property(
      fc.array(made, { maxLength: 30 }),
      fc.record({
        ref: maybe('main', 'topic', 'none'),
        name: maybe('build', 'none'),
        standing: maybe('open' as const, 'trusted' as const, 'disputed' as const),
      }),
      fc.integer({ min: 1, max: 7 }),
      (all, filter, max) => {
        const { index, runs } = indexOf(all);
        const scanned = runs.filter(
          (run, at) =>
            (filter.ref === undefined || all[at]?.ref === filter.ref) &&
            (filter.name === undefined || all[at]?.name === filter.name) &&
            (filter.standing === undefined || standingOf(run) === filter.standing),
        );
        expect(everyPage(index, filter, max)).toEqual(scanned.toReversed());
        expect(index.lists.countOf('open')).toBe(all.filter(({ level }) => level === undefined).length);
      },
    ),
  );
});

it('a page looks at a bounded number of runs, and says where to go on', () => {
  const level = 'trusted' as const;
  const many = controllerLimits.listLooksMax + 10;
  const { index, runs } = indexOf([
    { ref: 'main', name: 'rare', level },
    ...Array.from({ length: many }, () => ({ ref: 'main', name: 'build', level })),
    ...Array.from({ length: many }, () => ({ ref: 'topic', name: 'rare', level })),
  ]);
  const first = index.list({ ref: 'main', name: 'rare' }, 10);
  expect(first.runs).toEqual([]);
  expect(index.list({ ref: 'main', name: 'rare' }, 10, first.next).runs).toEqual([runs[0]]);
});

it('remembers the refs that were built last, each once, and no more than a page of them', () => {
  const refs = Array.from({ length: controllerLimits.recentRefsMax + 1 }, (_, n) => `v${n}`);
  const { index } = indexOf([...refs, 'v7'].map((ref) => ({ ref, name: 'build', level: undefined })));
  expect(index.lists.recentRefs().slice(0, 2)).toEqual(['v7', refs.at(-1)]);
  expect(index.lists.recentRefs()).toHaveLength(controllerLimits.recentRefsMax);
  expect(index.lists.recentRefs()).not.toContain('v0');
});
