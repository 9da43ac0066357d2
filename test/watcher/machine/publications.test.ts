import { expect, it } from 'vitest';
import { watchLimits } from '../../../src/watcher/machine/limits.ts';
import type { Publication } from '../../../src/watcher/machine/state.ts';
import { isSame, provenState } from '../../../src/watcher/machine/status.ts';
import { Turns } from '../../../src/watcher/machine/transition.ts';
import { badgeOf } from '../../../src/watcher/machine/view.ts';
import { openRuns } from '../../../src/watcher/sessions/run-states.ts';
import { Bench, commit, rule, settingsOf } from '../watch-support.ts';

const main = 'refs/heads/main';
const begun = (settings = settingsOf()) => new Bench(settings).refs({ [main]: 1 }, true);
const all = ({ machine }: Bench): Publication[] => [...machine.state.publications.values()];
const statusOf = ({ machine }: Bench, n: number) =>
  [...machine.state.statuses.values()].find((one) => one.commit === commit(n))?.wanted;
const refused = (id: string, again: boolean) => ({
  kind: 'refused' as const,
  id,
  code: 'CONTROLLER_UNREACHABLE',
  message: 'no',
  again,
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
  const superseded = { state: 'error', says: `superseded by ${commit(5).slice(0, 12)}` };
  expect(statusOf(bench, 4)).toMatchObject(superseded);
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

it('a pipeline is published again once, also by two who ask before either is answered', () => {
  const bench = begun().push(main, 2);
  const [first] = bench.orders();
  bench.published(first as never, 'a');
  bench.say({ kind: 'stands', stands: [{ run: 'a', state: 'done', level: 'failed' }] });
  for (const by of ['ada', 'bob']) {
    bench.now += 1_000;
    bench.say({ kind: 'again', id: first?.id ?? '', rebuild: true, by });
  }
  expect(all(bench).map(({ phase }) => phase)).toEqual(['ended', 'ordered']);
});

it('a publication is over once each of its runs is', () => {
  const bench = begun().push(main, 2);
  bench.published(bench.orders()[0] as never, 'a', 'b');
  const phase = (run: string, state: string) => {
    bench.say({ kind: 'stands', stands: [{ run, state, level: null }] });
    return [all(bench)[0]?.phase, openRuns(bench.machine.state)];
  };
  expect(phase('a', 'building')).toEqual(['published', ['a', 'b']]);
  expect(phase('a', 'cancelled')).toEqual(['published', ['b']]);
  expect(phase('b', 'building')).toEqual(['published', ['b']]);
  expect(phase('b', 'cancelled')).toEqual(['ended', []]);
});

it('a status that changed after the forge was told is told after a crash', () => {
  const bench = begun().push(main, 2);
  bench.published(bench.orders()[0] as never, 'a').tell();
  bench.say({ kind: 'stands', stands: [{ run: 'a', state: 'cancelled', level: null }] });
  const told = bench.take('status');
  expect(told.length).toBeGreaterThan(0);
  expect(bench.restart().take('status')).toEqual(told);
});

it('a rule with times for all jobs stands for the branch, and one that is gone wakes nobody', () => {
  const nightly = rule({ name: 'nightly', cron: '0 3 * * *' });
  const bench = begun(settingsOf({ rules: [rule({ tags: ['v*'] }), nightly] }));
  bench.refs({ 'refs/tags/x1': 9, 'refs/tags/v1': 9 });
  expect(bench.orders().map(({ ref }) => ref)).toEqual(['refs/tags/v1']);
  bench.now = bench.machine.nextDeadline() ?? 0;
  bench.say({ kind: 'tick' });
  expect([...bench.tell().keys()].sort()).toEqual(['quorate/main', 'quorate:tag/v1']);
  bench.say({ kind: 'configured', settings: settingsOf() });
  expect(bench.machine.nextDeadline()).toBeUndefined();
});

it('a badge is of the last pipeline of all jobs that was not superseded, of the branch itself', () => {
  const bench = begun(settingsOf({ pulls: { authors: ['alice'], paths: [] } }));
  const badge = (ref = main) => badgeOf(bench.machine.state, ref);
  expect([badge(), badge('refs/heads/gone')]).toEqual([{ level: 'none', commit: null }, undefined]);
  const publish = (n: number, ...runs: string[]) => {
    const [order] = bench.push(main, n).orders();
    bench.published(order as never, ...runs);
    bench.say({ kind: 'stands', stands: runs.map((run) => ({ run, state: 'done', level: 'trusted' })) });
    return order?.id ?? '';
  };
  publish(2, 'a', 'b');
  expect(badge()).toEqual({ level: 'pending', commit: commit(2) });
  bench.proven('a', 'b');
  const green = { level: 'trusted', commit: commit(2) };
  expect(badge()).toEqual(green);
  // One of a pull request, one that touches nothing, and one that was superseded.
  bench.pull({ pull: 7, ref: main, commit: commit(3), author: 'alice' });
  bench.published(bench.orders()[0] as never, 'c');
  expect(badge()).toEqual(green);
  bench.say({ kind: 'unaffected', id: bench.push(main, 4).orders()[0]?.id ?? '', says: 'no path' });
  expect(badge()).toEqual(green);
  publish(5, 'd');
  bench.push(main, 6);
  expect(badge()).toEqual({ level: 'pending', commit: commit(6) });
  const [last] = bench.orders();
  bench.say(refused(last?.id ?? '', false));
  expect(badge()).toEqual({ level: 'failed', commit: commit(6) });
});

it('the state of several runs is the worst, and trusted by evidence alone', () => {
  const stand = { state: 'done', level: 'trusted' } as const;
  const trusted = { stand, proof: { kind: 'trusted', cosigned: true, known: '' } } as const;
  const revoked = { stand, proof: { kind: 'revoked', says: 'x', known: '' } } as const;
  const agreed = { stand: { state: 'agreed', level: 'agreed' } } as const;
  expect(
    [[], [trusted], [trusted, { stand }], [trusted, agreed], [trusted, revoked]].map(provenState),
  ).toEqual([...['pending', 'trusted', 'pending', 'agreed', 'revoked']]);
  expect(provenState([{ ...trusted, stand: undefined }])).toBe('pending');
});

it('a status is the same where its state, its words and its link are', () => {
  const status = { state: 'pending', says: 'x', link: 'l' } as const;
  expect(isSame(status, { ...status })).toBe(true);
  for (const more of [{ state: 'error' }, { says: 'y' }, { link: 'k' }, { link: undefined }])
    expect(isSame(status, { ...status, ...more } as never)).toBe(false);
  expect(isSame(status, undefined)).toBe(false);
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
