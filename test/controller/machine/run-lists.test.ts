import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { RunFacts } from '../../../src/controller/machine/facts.ts';
import { RunIndex } from '../../../src/controller/machine/run-index.ts';
import { listStateOf, type RunFilter } from '../../../src/controller/machine/run-lists.ts';

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
    index.refile(run.id);
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
    listStateOf({
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
  expect(listStateOf({ revoked: null, phase: open } as never)).toBe('open');
});

it('pages hold what a scan finds, the newest first', () => {
  fc.assert(
    fc.property(
      fc.array(made, { maxLength: 30 }),
      fc.record({
        refs: maybe(['main'], ['topic'], ['none'], ['none', 'topic', 'main'], []),
        name: maybe('build', 'none'),
        listState: maybe('open' as const, 'trusted' as const, 'disputed' as const),
      }),
      fc.integer({ min: 1, max: 7 }),
      (all, filter, max) => {
        const { index, runs } = indexOf(all);
        const scanned = runs.filter(
          (run, at) =>
            (filter.refs === undefined || filter.refs.includes(all[at]?.ref ?? '')) &&
            (filter.name === undefined || all[at]?.name === filter.name) &&
            (filter.listState === undefined || listStateOf(run) === filter.listState),
        );
        expect(everyPage(index, filter, max)).toEqual(scanned.toReversed());
        expect(index.lists.countOf('open')).toBe(all.filter(({ level }) => level === undefined).length);
      },
    ),
  );
});

it('a page looks at a bounded number of runs, and says where to go on', () => {
  const level = 'trusted' as const;
  const many = 2_010;
  const { index, runs } = indexOf([
    { ref: 'main', name: 'rare', level },
    ...Array.from({ length: many }, () => ({ ref: 'main', name: 'build', level })),
    ...Array.from({ length: many }, () => ({ ref: 'topic', name: 'rare', level })),
  ]);
  const first = index.list({ refs: ['main'], name: 'rare' }, 10);
  // It looked at 2,000 of those of `main`, the newest at position 2,010.
  expect(first).toEqual({ runs: [], next: 11 });
  expect(index.list({ refs: ['main'], name: 'rare' }, 10, first.next).runs).toEqual([runs[0]]);
});

it('remembers the refs that were built last, each once, and no more than a page of them', () => {
  const refs = Array.from({ length: 51 }, (_, n) => `v${n}`);
  const { index } = indexOf([...refs, 'v7'].map((ref) => ({ ref, name: 'build', level: undefined })));
  expect(index.lists.recentRefs().slice(0, 2)).toEqual(['v7', refs.at(-1)]);
  expect(index.lists.recentRefs()).toHaveLength(50);
  expect(index.lists.recentRefs()).not.toContain('v0');
});

it('the newest runs are shown, of one publisher no more than its share while there are others', () => {
  const names = ['ada', 'ada', 'bob', 'ada', 'ada'];
  const { index, runs } = indexOf(names.map((name) => ({ ref: 'main', name, level: undefined })));
  const newest = (max: number, ofOne: number) => index.newest(max, ofOne).map((run) => runs.indexOf(run));
  expect(newest(3, 2)).toEqual([4, 3, 2]);
  expect(newest(3, 1)).toEqual([4, 3, 2]);
  expect(newest(4, 2)).toEqual([4, 3, 2, 1]);
  expect(newest(2, 1)).toEqual([4, 2]);
  expect(newest(9, 1)).toEqual([4, 3, 2, 1, 0]);
  expect(newest(0, 1)).toEqual([]);
  expect([...index.latest()]).toEqual(runs.toReversed());
});

it('runs with an artifact are found once each, in the order they were submitted, and the other way round', () => {
  const { index, runs } = indexOf(Array(4).fill({ ref: 'main', name: 'build', level: undefined }));
  for (const at of [2, 0, 2, 3, 0]) index.decided(runs[at] as RunFacts, 'artifact');
  const order = (found: Iterable<RunFacts>) => [...found].map((run) => runs.indexOf(run));
  expect(order(index.withArtifact('artifact'))).toEqual([0, 2, 3]);
  expect(order(index.latestWithArtifact('artifact'))).toEqual([3, 2, 0]);
  expect(order(index.latestWithArtifact('none'))).toEqual([]);
  expect(order(index.beginning('arti'))).toEqual([0, 2, 3]);
});

it('the last 16 runs of a job that were built are known, the one that ended last first', () => {
  const { index, runs } = indexOf(Array(17).fill({ ref: 'main', name: 'build', level: undefined }));
  const job = runs.map((run) => Object.assign(run, { jobId: 'job' }));
  for (const run of [...job, job[3]]) index.built(run as RunFacts);
  const known = index.builtOf('job').map((run) => job.indexOf(run));
  expect(known).toEqual([3, ...[16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 2, 1]]);
  // One that was built again on other inputs has results of another job.
  Object.assign(job[16] as RunFacts, { jobId: 'another' });
  expect(index.builtOf('job')).toHaveLength(15);
});
