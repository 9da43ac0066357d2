import fc from 'fast-check';
import { expect, it } from 'vitest';
import { jobNamed } from '../../../simulations/paperwork.ts';
import type { RunFacts } from '../../../src/controller/machine/facts.ts';
import { summaries } from '../../../src/controller/machine/queries/summary.ts';
import { RunIndex } from '../../../src/controller/machine/run-index.ts';
import type { RunFilter } from '../../../src/controller/machine/run-lists.ts';
import { projectView } from '../../../src/controller/node/project-view.ts';
import { type Bench, deliverAll, leasedRound, projectOf } from './bench.ts';

interface Made {
  by?: string;
  ref?: string;
  commit?: string;
  push?: string;
  name?: string;
}

/** The facts that pushes are told apart by. */
const runOf = (
  { by = 'ann', ref = 'main', commit = 'c', push, name = 'build' }: Made,
  at: number,
): RunFacts =>
  ({
    id: `run ${at}`,
    jobId: `job ${at}`,
    job: { name },
    revoked: null,
    phase: { kind: 'building' },
    request: { payload: { ref, commit, ...(push !== undefined && { more: { push } }) } },
    publisher: { payload: { operator: by } },
  }) as unknown as RunFacts;

function indexOf(all: readonly Made[]): RunIndex<RunFacts> {
  const index = new RunIndex<RunFacts>();
  for (const [at, one] of all.entries()) index.submitted(runOf(one, at));
  return index;
}

/** Runs of each push on all pages, by their positions. */
function everyPush(index: RunIndex<RunFacts>, filter: RunFilter = {}, max = 20, runsMax = 150): number[][] {
  const found: number[][] = [];
  for (let before: number | undefined, first = true; first || before !== undefined; first = false) {
    const page = index.listPushes(filter, { before, max, runsMax });
    const runs = page.pushes.reduce((sum, { length }) => sum + length, 0);
    expect(page.pushes.length).toBeLessThanOrEqual(max);
    if (page.pushes.length > 1) expect(runs).toBeLessThanOrEqual(runsMax);
    found.push(...page.pushes.map((push) => push.map(({ id }) => Number(id.slice(4)))));
    before = page.next;
  }
  return found;
}

it('two publishers at once are two pushes, and so are two pushes of one', () => {
  const index = indexOf([
    { push: 'a-a-a-a-a', name: 'build' },
    { push: 'a-a-a-a-a', name: 'build', by: 'bob' },
    { push: 'b-b-b-b-b', name: 'build' },
    { push: 'a-a-a-a-a', name: 'test', by: 'bob' },
    { push: 'a-a-a-a-a', name: 'test' },
    { push: 'a-a-a-a-a', name: 'pack', commit: 'd' },
    { push: 'a-a-a-a-a', name: 'pack', ref: 'topic' },
  ]);
  expect(everyPush(index)).toEqual([[6], [5], [2], [1, 3], [0, 4]]);
  expect(index.firstOfPush(index.get('run 4') as RunFacts).id).toBe('run 0');
});

it('of publishers that name no push, a job that is published again begins another one', () => {
  const named = (...names: string[]) => names.map((name) => ({ name }));
  expect(everyPush(indexOf(named('build', 'test', 'build', 'pack', 'pack')))).toEqual([[4], [2, 3], [0, 1]]);
  // As with those that do.
  const again = named('build', 'build').map((one) => ({ ...one, push: 'a-a-a-a-a' }));
  expect(everyPush(indexOf(again))).toEqual([[1], [0]]);
});

it('a push has no more jobs than a pipeline, and one that was forgotten does not grow', () => {
  const push = 'a-a-a-a-a';
  const many = Array.from({ length: 10_000 }, (_, n) => ({ push, name: `job-${n}` }));
  const found = everyPush(indexOf(many));
  expect(found.map(({ length }) => length)).toEqual(Array(100).fill(100));
  expect(found.at(-1)?.slice(0, 2)).toEqual([0, 1]);
  const others = Array.from({ length: 1_000 }, (_, n) => ({ push: `${push}${n}` }));
  const kept = everyPush(indexOf([{ push }, ...others.slice(1), { push, name: 'test' }]));
  expect(kept.at(-1)).toEqual([0, 1_000]);
  expect(everyPush(indexOf([{ push }, ...others, { push, name: 'test' }])).at(-1)).toEqual([0]);
});

it('pages hold each push once, the newest first, with those of a filter in it', () => {
  const made = fc.record({
    by: fc.constantFrom('ann', 'bob'),
    ref: fc.constantFrom('main', 'topic'),
    commit: fc.constantFrom('c', 'd'),
    push: fc.constantFrom(undefined, 'a-a-a-a-a', 'b-b-b-b-b'),
    name: fc.constantFrom('build', 'test', 'pack'),
  });
  const filters = fc.record({
    refs: fc.constantFrom<string[] | undefined>(undefined, ['main'], ['topic', 'main'], []),
    name: fc.constantFrom(undefined, 'test', 'none'),
  });
  fc.assert(
    fc.property(
      fc.array(made, { maxLength: 30 }),
      filters,
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 9 }),
      (all, { refs, name }, max, runsMax) => {
        const index = indexOf(all);
        const every = everyPush(index);
        expect(every.flat().sort((a, b) => a - b)).toEqual(all.map((_, at) => at));
        expect(every).toEqual(every.toSorted(([a = 0], [b = 0]) => b - a));
        const wanted = every.filter((push) =>
          push.some(
            (at) =>
              (refs === undefined || refs.includes(all[at]?.ref ?? '')) &&
              (name === undefined || all[at]?.name === name),
          ),
        );
        expect(everyPush(index, { refs, name }, max, runsMax)).toEqual(wanted);
      },
    ),
  );
});

it('a page looks at a bounded number of jobs, and says where to go on', () => {
  const index = indexOf([
    { name: 'rare' },
    ...Array.from({ length: 2_010 }, (_, n) => ({ push: `push-of-${n}`, name: 'build' })),
  ]);
  const page = { max: 10, runsMax: 100 };
  const first = index.listPushes({ name: 'rare' }, page);
  expect(first).toEqual({ pushes: [], next: 11 });
  expect(index.listPushes({ name: 'rare' }, { ...page, before: first.next }).pushes).toHaveLength(1);
});

const viewOf = ({ controller: { state } }: Bench) =>
  projectView({ project: 'p', name: 'n', state, addresses: () => [], equivocations: () => [] });
const words = { push: 'push-of-ann', commit: { subject: 'Mend it', author: 'Ann' } };

it('subject and author that a publisher states are told with its runs and its push, also once they have ended', async () => {
  const bench = await projectOf();
  const ids: string[] = [];
  const { source } = jobNamed('app').job;
  for (const name of ['app', 'test'])
    ids.push(await bench.submit({ name, job: { source }, more: { ...words, other: 'x'.repeat(3_000) } }));
  const said = { subject: 'Mend it', author: 'Ann' };
  const told = () => {
    const view = viewOf(bench);
    const [push, ...others] = view.pushes({ ref: 'main' }).pushes;
    expect(others).toEqual([]);
    expect(push).toMatchObject({ id: ids[0], ref: 'refs/heads/main', publisher: 'publisher', ...said });
    expect(push?.jobs.map(({ run, push: of }) => [run, of])).toEqual(ids.map((id) => [id, ids[0]]));
    expect(view.branches()).toMatchObject([{ ref: 'refs/heads/main', publisher: 'publisher', ...said }]);
    expect(view.run(ids[1] ?? '').summary).toMatchObject({ ...said, push: ids[0] });
  };
  told();
  for (const which of ids)
    bench.send({ kind: 'cancel', token: 'c', which, by: bench.id('publisher'), reason: 'x' });
  const { finished } = bench.controller.state;
  expect([...finished.values()].map(({ request }) => request.payload.more)).toEqual([words, words]);
  told();
});

it('a ref is found as people write it, and no branch stands for another one', async () => {
  const bench = await projectOf();
  const refs = ['refs/heads/main', 'refs/tags/main', 'refs/heads/refs/heads/main', 'main'];
  for (const [n, ref] of refs.entries()) await bench.submit({ name: `job-${n}`, ref });
  const view = viewOf(bench);
  const named = (ref: string) => view.runs({ ref }).runs.map((run) => run.ref);
  expect(named('main')).toEqual(['main', 'refs/tags/main', 'refs/heads/main']);
  for (const ref of refs.slice(0, 3)) expect(named(ref)).toEqual([ref]);
  expect(named('mai')).toEqual([]);
  for (const ref of refs) expect(view.branch(ref)?.jobs.map((job) => job.ref)).toEqual([ref]);
  const listed = summaries(bench.controller.state, 10, { ref: 'main' });
  expect(listed.map(({ ref }) => ref)).toEqual(named('main'));
});

it('as many runs are listed as one answer holds, and one publisher has half of it', async () => {
  const { bench, leases } = await leasedRound({ ref: `refs/heads/${'x'.repeat(280)}` });
  await deliverAll(bench, leases, []);
  const { state } = bench.controller;
  const [run] = state.index.latest();
  const by = (operator: string) => ({
    ...run,
    history: [],
    phase: { kind: 'cancelled', reason: 'y'.repeat(500), published: null },
    publisher: { payload: { operator } },
  });
  const listed = (...all: object[]) => {
    const index = {
      newest: () => all,
      firstOfPush: () => run,
      open: new Map(),
      get: () => undefined,
      builtOf: () => [],
    };
    return summaries(Object.assign(Object.create(state), { index }), all.length);
  };
  const half = listed(...Array(5_000).fill(by('ann')));
  expect(half.length).toBeGreaterThan(500);
  expect(JSON.stringify(half).length).toBeLessThanOrEqual(1024 * 1024 + half.length + 1);
  // Of another publisher, long before these.
  expect(listed(...Array(5_000).fill(by('ann')), by('amy'))).toHaveLength(half.length + 1);
  const three = ['ann', 'amy', 'bob'].flatMap((one) => Array(2_000).fill(by(one)));
  const all = listed(...three);
  expect(all.length).toBeGreaterThanOrEqual(2 * half.length);
  expect(JSON.stringify(all).length).toBeLessThanOrEqual(2 * 1024 * 1024 + all.length + 1);
});

it('the default branch is known however many others were published since', async () => {
  const bench = await projectOf();
  const view = viewOf(bench);
  expect(view.defaultBranch()).toBeUndefined();
  await bench.submit({ name: 'tag', ref: 'refs/tags/v1' });
  expect(view.defaultBranch()?.ref).toBe('refs/tags/v1');
  await bench.submit({ name: 'app', ref: 'refs/heads/main' });
  for (let n = 0; n < 51; n++) await bench.submit({ name: `job-${n}`, ref: `refs/heads/b${n}` });
  expect(view.branches().some(({ ref }) => ref === 'refs/heads/main')).toBe(false);
  expect([view.defaultBranch()?.ref, view.branch('refs/heads/main')?.jobs.length]).toEqual([
    'refs/heads/main',
    1,
  ]);
});
