import { describe, expect, it } from 'vitest';
import { pullChanges } from '../../../src/runtime/watch/changes.ts';
import { Bench, commit, settingsOf } from './support.ts';

const pulls = { authors: ['alice'], label: 'quorate', paths: [], job: 'test' };
const begun = () => new Bench(settingsOf({ pulls })).refs({ 'refs/heads/main': 1 }, true);
const decided = (n: number, verdict: 'approved' | 'denied') => ({
  ...{ kind: 'decided' as const, pull: 7, commit: commit(n), verdict, by: 'carol' },
});

describe('a pull request', () => {
  it('waits, and says so, until its commit is approved; then it is built under the floor', () => {
    const bench = begun().pull({ pull: 7, commit: commit(2) });
    expect(bench.orders()).toEqual([]);
    expect(bench.tell().get('quorate:pull')?.status).toEqual({
      state: 'pending',
      says: 'waiting for the approval of a maintainer',
    });
    expect(bench.say(decided(2, 'approved')).orders()).toMatchObject([
      {
        ref: 'refs/pull/7/head',
        commit: commit(2),
        base: commit(1),
        floor: true,
        job: 'test',
        rebuild: false,
      },
    ]);
    expect(bench.say(decided(2, 'approved')).orders()).toEqual([]);
  });

  it('waits again for each commit, and the runs of the one before end', () => {
    const bench = begun()
      .pull({ pull: 7, commit: commit(2) })
      .say(decided(2, 'approved'));
    bench.published(bench.orders()[0] as never, 'a').pull({ pull: 7, commit: commit(3) });
    expect(bench.orders()).toEqual([]);
    expect(bench.take('cancel')).toMatchObject([{ runs: ['a'] }]);
    expect(bench.say(decided(2, 'approved')).orders()).toEqual([]);
    expect(bench.say(decided(3, 'approved')).orders()).toMatchObject([{ commit: commit(3) }]);
  });

  it('is approved by a label with its commit, and by none with another', () => {
    const bench = begun().pull({ pull: 7, commit: commit(2) });
    bench.pull({ pull: 7, commit: commit(2), approved: [commit(9)] });
    expect(bench.orders()).toEqual([]);
    bench.pull({ pull: 7, commit: commit(2), approved: [commit(9), commit(2)] });
    expect(bench.orders()).toHaveLength(1);
  });

  it('of an author of the rule needs no approval', () => {
    expect(
      begun()
        .pull({ pull: 7, commit: commit(2), author: 'alice' })
        .orders(),
    ).toHaveLength(1);
  });

  it('that is denied is not built, and its runs end', () => {
    const bench = begun()
      .pull({ pull: 7, commit: commit(2) })
      .say(decided(2, 'approved'));
    bench.published(bench.orders()[0] as never, 'a').say(decided(2, 'denied'));
    expect(bench.take('cancel')).toMatchObject([{ runs: ['a'], reason: 'denied by carol' }]);
    expect(bench.tell().get('quorate:pull')?.status).toEqual({ state: 'error', says: 'denied by carol' });
  });

  it('that is closed ends, and one that nobody asked for is not looked at', () => {
    const bench = begun().pull({ pull: 7, commit: commit(2), author: 'alice' });
    bench.published(bench.orders()[0] as never, 'a').say({ kind: 'pull-closed', pull: 7 });
    expect(bench.take('cancel')).toHaveLength(1);
    const none = new Bench(settingsOf()).pull({ pull: 7, commit: commit(2), author: 'alice' });
    expect([none.orders(), none.machine.state.pulls.size]).toEqual([[], 0]);
  });

  it('has statuses of its own: on the same commit a green one of it says nothing of a branch', () => {
    const bench = begun().pull({ pull: 7, commit: commit(2), author: 'alice' });
    bench.published(bench.orders()[0] as never, 'a');
    bench.say({ kind: 'stands', stands: [{ run: 'a', state: 'done', level: 'trusted' }] });
    expect([...bench.tell().keys()].every((context) => context.startsWith('quorate:pull'))).toBe(true);
    bench.refs({ 'refs/heads/pull': 2 });
    expect([...bench.tell().keys()].some((context) => context.startsWith('quorate:pull'))).toBe(false);
  });

  it('waits or is approved the same after a crash', () => {
    const bench = begun()
      .pull({ pull: 7, commit: commit(2) })
      .pull({ pull: 8, commit: commit(3) });
    bench.say(decided(2, 'approved'));
    const orders = bench.orders();
    expect(orders).toHaveLength(1);
    expect(bench.restart().orders()).toEqual(orders);
  });
});

describe('a list of open pull requests', () => {
  const listed = (count: number) =>
    Array.from({ length: count }, (_, n) => ({
      ...{ pull: 1_000 + n, title: 'one of many', author: 'mallory', base: 'main', labels: [] },
    }));

  it('closes what is not in it, unless it was cut: then nobody closes the others by opening many', () => {
    const { machine } = begun().pull({ pull: 7, commit: commit(2) });
    const closed = (count: number) =>
      pullChanges(machine.state, listed(count), new Map(), 'refs/pull/*/head').filter(
        ({ kind }) => kind === 'pull-closed',
      );
    expect(closed(499)).toEqual([{ kind: 'pull-closed', pull: 7 }]);
    expect(closed(500)).toEqual([]);
  });
});
