import { expect, it } from 'vitest';
import { watchLimits } from '../../../src/runtime/watch/limits.ts';
import type { Publication } from '../../../src/runtime/watch/state.ts';
import { Turns } from '../../../src/runtime/watch/turns.ts';
import { Bench, commit, rule, settingsOf } from './support.ts';

const main = 'refs/heads/main';
const begun = (settings = settingsOf()) => new Bench(settings).refs({ [main]: 1 }, true);
const all = ({ machine }: Bench): Publication[] => [...machine.state.publications.values()];
const refused = (id: string, again: boolean) => ({
  ...{ kind: 'refused' as const, id, code: 'CONTROLLER_UNREACHABLE', message: 'no', again },
});

it('a publication that is superseded before it was tried is over at once; one that was tried is tried again first', () => {
  const bench = begun(settingsOf({ rules: [rule({ branches: ['**'] })] }));
  bench.refs({ 'refs/heads/a': 2, 'refs/heads/b': 3 });
  const [tried] = bench.orders();
  bench.push(main, 4);
  expect(bench.orders(), 'two at the same time').toEqual([]);
  bench.push(main, 5).push('refs/heads/b', 6);
  const phases = () => all(bench).map(({ order: { commit: of }, phase }) => [of, phase]);
  expect(phases()).toEqual([
    [commit(2), 'ordered'],
    [commit(3), 'ordered'],
    [commit(4), 'ended'],
    [commit(5), 'ordered'],
    [commit(6), 'ordered'],
  ]);
  // Its first try may have opened runs.
  bench.say(refused(tried?.id ?? '', true));
  expect(bench.orders()).toMatchObject([{ commit: commit(5) }]);
  bench.push('refs/heads/a', 7);
  expect(phases()[0]).toEqual([commit(2), 'ordered']);
  bench.published(all(bench)[3]?.order as never, 'run');
  expect(bench.orders()).toMatchObject([{ commit: commit(2) }]);
  bench.say(refused(tried?.id ?? '', true));
  expect(all(bench)[0]).toMatchObject({ phase: 'ended', refused: `superseded by ${commit(7).slice(0, 12)}` });
  // Later answers change nothing of it.
  const kept = bench.journal.length;
  bench.say(refused(tried?.id ?? '', true)).published(tried as never, 'late');
  bench.say({ kind: 'cancelled', id: tried?.id ?? '' }).say({ kind: 'cancel-failed', id: tried?.id ?? '' });
  expect([bench.journal.length, all(bench)[0]?.runs]).toEqual([kept, []]);
});

it('a push is not compared with a commit of which nothing was built', () => {
  const bench = begun().push(main, 2);
  bench.say({ kind: 'unaffected', id: bench.orders()[0]?.id ?? '', says: 'no path' }).push(main, 3);
  const [order] = bench.orders();
  expect(order?.base).toBe(commit(1));
  bench.say(refused(order?.id ?? '', false));
  expect(bench.push(main, 4).orders()[0]?.base).toBe(commit(1));
});

it('the newest that are over are kept, and the statuses of a commit go with the last of it', () => {
  const bench = begun();
  const push = (n: number) => {
    bench.push(main, n);
    const [order] = bench.orders();
    bench.tell();
    bench.say(refused(order?.id ?? '', false)).tell();
  };
  const max = watchLimits.publicationsEndedMax;
  const told = () => new Set([...bench.machine.state.statuses.values()].map(({ commit: of }) => of));
  for (let n = 2; n < max + 2; n++) push(n);
  expect(all(bench)).toHaveLength(max);
  expect([...told()][0]).toBe(commit(2));
  push(max + 2);
  expect(all(bench)).toHaveLength(max);
  expect(all(bench)[0]?.order.commit).toBe(commit(3));
  expect([told().has(commit(2)), told().has(commit(3)), told().size]).toEqual([false, true, max]);
});

it('a status that was not told yet outlives the publication', () => {
  const bench = begun().push(main, 2);
  bench.say(refused(bench.orders()[0]?.id ?? '', false));
  const untold = bench.take('status');
  for (let n = 3; n < watchLimits.publicationsEndedMax + 4; n++) {
    bench.push(main, n);
    bench.say(refused(bench.orders()[0]?.id ?? '', false));
  }
  expect(all(bench)[0]?.order.commit).not.toBe(commit(2));
  const kept = () => [...bench.machine.state.statuses.values()].filter(({ commit: of }) => of === commit(2));
  expect([untold.length, kept().length]).toEqual([1, 1]);
});

it('turns are given by author, to the one whose last turn is longest ago', () => {
  const turns = new Turns();
  const of = (...authors: (string | null)[]) => authors.map((author, n) => ({ author, n }));
  const picked = (waiting: ReturnType<typeof of>, count: number) =>
    turns.pick(waiting, count).map(({ author, n }) => `${author}${n}`);
  expect(picked(of('a', 'a', 'b', null), 3)).toEqual(['a0', 'b2', 'null3']);
  expect(picked(of('a', 'a', 'b', null), 2)).toEqual(['a0', 'b2']);
  expect(picked(of('a', 'b', null), 9)).toEqual(['null2', 'a0', 'b1']);
  expect(picked(of('a'), 0)).toEqual([]);
  // Forgotten while nothing of theirs waits: first the next time, like who is new.
  expect(picked(of('c'), 1)).toEqual(['c0']);
  expect(picked(of('b', 'd'), 1)).toEqual(['b0']);
});
