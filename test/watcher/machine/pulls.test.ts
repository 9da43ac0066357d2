import { describe, expect, it } from 'vitest';
import { pullChanges, unlisted } from '../../../src/watcher/machine/changes.ts';
import { watchLimits } from '../../../src/watcher/machine/limits.ts';
import { Bench, commit, rule, settingsOf } from '../watch-support.ts';

const pulls = { authors: ['alice'], label: 'quorate', paths: [], job: 'test' };
const begun = () => new Bench(settingsOf({ pulls })).refs({ 'refs/heads/main': 1 }, true);
const decided = (n: number, verdict: 'approved' | 'denied') => ({
  kind: 'decided' as const,
  pull: 7,
  commit: commit(n),
  verdict,
  by: 'carol',
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

  it('that was green for another branch, with which few jobs were needed, is built again for this one', () => {
    const bench = begun().refs({ 'refs/heads/release/1': 5 });
    bench.orders();
    bench.pull({ pull: 7, commit: commit(2), author: 'alice', base: 'release/1' });
    const [first] = bench.orders();
    expect(first).toMatchObject({ base: commit(5) });
    bench.published(first as never, 'a');
    bench.say({ kind: 'stands', stands: [{ run: 'a', state: 'done', level: 'trusted' }] });
    bench.say({ kind: 'proof', run: 'a', proof: { kind: 'trusted', cosigned: true, known: '' } });
    expect(bench.tell().get('quorate:pull')?.status.state).toBe('success');
    bench.now += 1_000;
    bench.pull({ pull: 7, commit: commit(2), author: 'alice', base: 'main', title: 'worse' });
    expect(bench.orders()).toMatchObject([{ commit: commit(2), base: commit(1) }]);
    expect(bench.tell().get('quorate:pull')?.status.state).toBe('pending');
    bench.pull({ pull: 7, commit: commit(2), author: 'alice', base: 'main', title: 'worst' });
    expect(bench.orders()).toEqual([]);
  });

  /** One of mallory for main, and then one of alice with the same commit for another branch, which is green. */
  function green(base: string) {
    const bench = begun().refs({ 'refs/heads/release/1': 5 });
    bench.orders();
    bench.pull({ pull: 7, commit: commit(2), author: 'mallory', base: 'main' });
    bench.now += 1_000;
    bench.pull({ pull: 8, commit: commit(2), author: 'alice', base });
    bench.published(bench.orders()[0] as never, 'a');
    bench.say({ kind: 'stands', stands: [{ run: 'a', state: 'done', level: 'trusted' }] });
    bench.say({ kind: 'proof', run: 'a', proof: { kind: 'trusted', cosigned: true, known: '' } });
    return bench;
  }
  const shown = (bench: Bench) => bench.tell().get('quorate:pull')?.status;
  const waits = { state: 'pending', says: '7: waiting for the approval of a maintainer' };

  it('is not green by another one with its commit, which is green for a branch from which little differs', () => {
    const bench = green('release/1');
    expect(shown(bench)).toEqual(waits);
    // Its outcome is told also where the other one was ordered later.
    bench.say(decided(2, 'approved'));
    bench.published(bench.orders()[0] as never, 'b');
    bench.say({ kind: 'stands', stands: [{ run: 'b', state: 'done', level: 'failed' }] });
    expect(shown(bench)).toMatchObject({ state: 'failure', says: expect.stringContaining('7: ') });
    bench.say({ kind: 'pull-closed', pull: 7 });
    expect(shown(bench)).toMatchObject({ state: 'success' });
  });

  it('that a stranger makes of the commit of another one for the same branch takes nothing away', () => {
    expect(shown(green('main'))).toMatchObject({ state: 'success' });
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
  const listed = (count: number, author = 'mallory') =>
    Array.from({ length: count }, (_, n) => ({
      pull: 1_000 + n,
      title: 'one of many',
      author,
      base: 'main',
      labels: [],
    }));
  const refs = (numbers: Record<number, number>) =>
    new Map(
      Object.entries(numbers).map(([pull, n]) => [
        `refs/pull/${pull}/head`,
        { commit: commit(n), object: commit(n) },
      ]),
    );

  it('closes what is not in it, unless it is a part: then nobody closes the others by opening many', () => {
    const { machine } = begun().pull({ pull: 7, commit: commit(2) });
    const closed = (isWhole: boolean, there = refs({ 7: 2 })) =>
      pullChanges(machine.state, { pulls: listed(499), isWhole }, there, 'refs/pull/*/head').filter(
        ({ kind }) => kind === 'pull-closed',
      );
    expect(closed(true)).toEqual([{ kind: 'pull-closed', pull: 7 }]);
    expect(closed(false)).toEqual([]);
    // The git server does not have it any more.
    expect(closed(false, refs({}))).toEqual([{ kind: 'pull-closed', pull: 7 }]);
  });

  it('has an event for what changed in it, and for nothing else', () => {
    const { machine } = begun().pull({
      pull: 7,
      commit: commit(2),
      title: 'better',
      author: 'mallory',
      base: 'main',
    });
    const events = (more: object, there = refs({ 7: 2 })) => {
      const one = { pull: 7, title: 'better', author: 'mallory', base: 'main', labels: [], ...more };
      return pullChanges(machine.state, { pulls: [one as never], isWhole: true }, there, 'refs/pull/*/head');
    };
    expect(events({})).toEqual([]);
    expect(events({ labels: ['other', `quorate:${commit(3)}`, 'quorate'] })).toEqual([]);
    const changes = [{ title: 'x' }, { author: 'x' }, { base: 'x' }, { labels: [`quorate:${commit(2)}`] }];
    for (const change of changes) expect(events(change)).toMatchObject([{ kind: 'pull' }]);
    expect(events({}, refs({ 7: 3 }))).toMatchObject([{ kind: 'pull', seen: { commit: commit(3) } }]);
  });

  it('that is a part hides no commit of what it does not hold, and keeps no approval of another one', () => {
    const { machine } = begun().pull({ pull: 7, commit: commit(2), approved: [commit(2)] });
    const part = { pulls: listed(3), isWhole: false };
    expect(pullChanges(machine.state, part, refs({ 7: 2 }), 'refs/pull/*/head')).toEqual([]);
    expect(pullChanges(machine.state, part, refs({ 7: 3 }), 'refs/pull/*/head')).toMatchObject([
      { kind: 'pull', seen: { pull: 7, commit: commit(3), author: 'mallory', approved: [] } },
    ]);
  });

  it('that is a part has the forge asked of the others, a few in a look, in turn', () => {
    const bench = begun();
    const { pullsAskedMax } = watchLimits;
    for (let pull = 1; pull <= pullsAskedMax + 5; pull++) bench.pull({ pull, commit: commit(pull) });
    const part = { pulls: [{ ...listed(1)[0], pull: 1 } as never], isWhole: false };
    const askedAt = new Map<number, number>();
    const first = unlisted(bench.machine.state, part, askedAt);
    expect(first).toEqual(Array.from({ length: pullsAskedMax }, (_, n) => n + 2));
    for (const pull of first) askedAt.set(pull, 1);
    expect(unlisted(bench.machine.state, part, askedAt).slice(0, 4)).toEqual([22, 23, 24, 25]);
    expect(unlisted(bench.machine.state, { ...part, isWhole: true }, askedAt)).toEqual([]);
  });
});

describe('five hundred pull requests of one author', () => {
  const { authorPullsMax, authorPublicationsMax, pullsMax, publishingAtOnceMax } = watchLimits;
  const flood = (bench: Bench, count: number, author = 'mallory', from = 1_000) => {
    for (let n = 0; n < count; n++)
      bench.pull({ pull: from + n, commit: commit(from + n), author, title: 'one of many' });
    return bench;
  };
  const known = ({ machine }: Bench, author: string) =>
    [...machine.state.pulls.values()].filter((one) => one.author === author).length;

  it('do not keep out those of others', () => {
    const bench = flood(begun(), 500).pull({ pull: 7, commit: commit(2), author: 'bob' });
    expect([known(bench, 'mallory'), known(bench, 'bob')]).toEqual([authorPullsMax, 1]);
  });

  it('with several accounts leave room for one more of another, and one who has less is not put out', () => {
    const bench = begun();
    for (let n = 0; n < 5; n++) flood(bench, 200, `mallory${n}`, 1_000 * (n + 1));
    expect(bench.machine.state.pulls.size).toBe(pullsMax);
    for (let pull = 1; pull <= 50; pull++) bench.pull({ pull, commit: commit(pull), author: 'bob' });
    expect(known(bench, 'bob')).toBe(50);
    expect(bench.machine.state.pulls.size).toBe(pullsMax);
  });

  it('of many accounts leave each author as many as any other, and what is decided stays', () => {
    const bench = begun();
    for (let n = 0; n < 10; n++) flood(bench, 50, `mallory${n}`, 1_000 * (n + 1));
    const last = { pull: 1_049, commit: commit(1_049), author: 'mallory0' };
    bench.pull({ ...last, approved: [commit(1_049)] });
    flood(bench, 100, 'bob', 100);
    expect(bench.machine.state.pulls.size).toBe(pullsMax);
    expect(known(bench, 'bob')).toBe(45);
    for (let n = 0; n < 10; n++) expect(known(bench, `mallory${n}`)).toBeGreaterThanOrEqual(45);
    expect(bench.machine.state.pulls.has(1_049)).toBe(true);
    expect(bench.machine.state.pulls.has(1_048)).toBe(false);
  });

  it('keep nobody out behind an author who has as many that are approved, nor once they are denied', () => {
    const bench = flood(begun(), authorPullsMax, 'alice');
    for (let n = 0; n < 4; n++) flood(bench, authorPullsMax, `mallory${n}`, 2_000 + 1_000 * n);
    expect(bench.machine.state.pulls.size).toBe(pullsMax);
    bench.pull({ pull: 7, commit: commit(2), author: 'bob' });
    expect([known(bench, 'alice'), known(bench, 'bob')]).toEqual([authorPullsMax, 1]);
    for (const { pull, commit: of, decision } of [...bench.machine.state.pulls.values()])
      if (decision === null) bench.say({ kind: 'decided', pull, commit: of, verdict: 'denied', by: 'carol' });
    bench.pull({ pull: 8, commit: commit(3), author: 'dave' });
    expect([known(bench, 'alice'), known(bench, 'dave')]).toEqual([authorPullsMax, 1]);
  });

  it('of as many accounts do not keep out an author of the rule', () => {
    const bench = begun();
    for (let n = 0; n < pullsMax; n++) flood(bench, 1, `mallory${n}`, 1_000 + n);
    bench.pull({ pull: 7, commit: commit(2), author: 'bob' });
    bench.pull({ pull: 8, commit: commit(3), author: 'alice' });
    expect([known(bench, 'bob'), known(bench, 'alice')]).toEqual([0, 1]);
    expect(bench.orders().map(({ commit: of }) => of)).toContain(commit(3));
  });

  it('do not have the statuses of others wait, nor those of branches', () => {
    const bench = flood(begun(), authorPullsMax);
    bench.pull({ pull: 7, commit: commit(2), author: 'bob' }).push('refs/heads/main', 3);
    const order: number[] = [];
    for (let told = bench.take('status'); told.length > 0; told = bench.take('status'))
      for (const { key, commit: of, status } of told) {
        order.push(Number.parseInt(of, 16));
        bench.say({ kind: 'status-set', key, status });
      }
    expect(Math.max(order.indexOf(2), order.indexOf(3))).toBeLessThan(10);
    expect(order).toHaveLength(authorPullsMax + 2);
  });

  it('that need no approval are built a few at a time, others and pushes between them, and all in the end', () => {
    const bench = begun();
    flood(bench, authorPullsMax, 'alice');
    bench.pull({ pull: 7, commit: commit(2), author: 'bob', approved: [commit(2)] });
    bench.push('refs/heads/main', 3);
    const open = () =>
      [...bench.machine.state.publications.values()].filter(({ phase }) => phase !== 'ended');
    const ofAlice = () => open().filter(({ author }) => author === 'alice').length;
    expect(ofAlice()).toBe(authorPublicationsMax);
    const waiting = bench.tell();
    expect([...waiting.values()].map(({ status }) => status.says)).toContain('ordered');
    const done: number[] = [];
    for (let orders = bench.orders(); orders.length > 0; orders = bench.orders()) {
      expect(orders.length).toBeLessThanOrEqual(publishingAtOnceMax);
      for (const order of orders) {
        done.push(Number.parseInt(order.commit, 16));
        bench.now += 1;
        bench.published(order, `run ${order.commit}`);
        bench.say({
          kind: 'stands',
          stands: [{ run: `run ${order.commit}`, state: 'done', level: 'failed' }],
        });
        expect(ofAlice()).toBeLessThanOrEqual(authorPublicationsMax);
      }
    }
    expect(Math.max(done.indexOf(2), done.indexOf(3))).toBeLessThan(6);
    expect(done).toHaveLength(authorPullsMax + 2);
  });

  it('say that they wait for their turn, and are ordered the same after a crash', () => {
    const bench = flood(begun(), authorPublicationsMax + 1, 'alice');
    expect(bench.tell().size).toBe(1);
    const last = commit(1_000 + authorPublicationsMax);
    expect([...bench.machine.state.statuses.values()].find((one) => one.commit === last)?.wanted).toEqual({
      state: 'pending',
      says: 'approved by the rule for alice, waiting for its turn',
    });
    const ids = () => [...bench.machine.state.publications.keys()];
    const before = ids();
    expect(before).toHaveLength(authorPublicationsMax);
    bench.restart();
    expect(ids()).toEqual(before);
  });

  it('leave room for pushes, however many authors they are of', () => {
    const bench = new Bench(
      settingsOf({
        pulls: { ...pulls, label: 'quorate' },
        rules: [rule({ branches: ['**'], supersede: false })],
      }),
    ).refs({}, true);
    for (let n = 0; n < 40; n++)
      for (let m = 0; m < 5; m++) {
        const pull = 1_000 + 10 * n + m;
        bench.pull({ pull, commit: commit(pull), author: `a${n}`, approved: [commit(pull)] });
      }
    const open = [...bench.machine.state.publications.values()];
    expect(open).toHaveLength(watchLimits.pullPublicationsMax);
    // An author with nothing under way is next, also where another one waited before.
    for (const pull of bench.machine.state.pulls.values())
      if (Number(pull.author.slice(1)) >= 20) bench.say({ kind: 'pull-closed', pull: pull.pull });
    bench.pull({ pull: 8_000, commit: commit(8_000), author: 'a1', approved: [commit(8_000)] });
    bench.pull({ pull: 8_001, commit: commit(8_001), author: 'bob', approved: [commit(8_001)] });
    bench.published(open[0]?.order as never, 'a');
    bench.say({ kind: 'stands', stands: [{ run: 'a', state: 'done', level: 'failed' }] });
    const next = [...bench.machine.state.publications.values()].at(-1)?.author;
    expect(next).toBe('bob');
    bench.push('refs/heads/main', 3);
    expect([...bench.machine.state.publications.values()].at(-1)).toMatchObject({ phase: 'ordered' });
  });

  it('that are pushed to again and again leave no status behind', () => {
    const bench = begun();
    for (let n = 0; n < 1_000; n++) bench.pull({ pull: 7, commit: commit(n + 10) });
    expect(bench.machine.state.statuses.size).toBe(1);
  });

  it('a denial is taken back: it is built once more', () => {
    const bench = begun()
      .pull({ pull: 7, commit: commit(2) })
      .say(decided(2, 'approved'));
    bench.published(bench.orders()[0] as never, 'a').say(decided(2, 'denied'));
    bench.say({ kind: 'cancelled', id: [...bench.machine.state.publications.keys()][0] ?? '' });
    bench.now += 1;
    expect(bench.say(decided(2, 'approved')).orders()).toHaveLength(1);
  });
});
