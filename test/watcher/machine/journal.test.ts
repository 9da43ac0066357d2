import { expect, it } from 'vitest';
import { watchLimits } from '../../../src/watcher/machine/limits.ts';
import { isSameStand } from '../../../src/watcher/machine/publications.ts';
import type { RunStand } from '../../../src/watcher/machine/status.ts';
import { standsOf } from '../../../src/watcher/sessions/run-states.ts';
import { Bench, commit, rule, settingsOf } from '../watch-support.ts';

const main = 'refs/heads/main';
const begun = (settings = settingsOf()) => new Bench(settings).refs({ [main]: 1 }, true);
const stand = (run: string, state: string, more: Partial<RunStand> = {}): RunStand => ({
  run,
  state: state as RunStand['state'],
  level: null,
  ...more,
});

it('an event that changes something is in the journal, once', () => {
  const bench = new Bench();
  const grows = (act: () => unknown) => {
    const before = bench.journal.length;
    act();
    return bench.journal.length - before;
  };
  const twice = (act: () => unknown) => [grows(act), grows(act)];
  // A repository without a branch is watched, too.
  expect(twice(() => bench.refs({}, true))).toEqual([1, 0]);
  expect(bench.machine.state.watching).toBe(true);
  // No rule is about it.
  expect(twice(() => bench.push('refs/heads/topic', 1))).toEqual([1, 0]);
  bench.push(main, 2);
  const [order] = bench.orders();
  const id = order?.id ?? '';
  const refused = {
    kind: 'refused' as const,
    id,
    code: 'CONTROLLER_UNREACHABLE',
    message: 'no',
    again: true,
  };
  expect(twice(() => bench.say(refused))).toEqual([1, 1]);
  expect(twice(() => bench.published(order as never, 'a', 'b'))).toEqual([1, 0]);
  expect(twice(() => bench.say({ kind: 'stands', stands: [stand('a', 'building')] }))).toEqual([1, 0]);
  expect(twice(() => bench.proven('a'))).toEqual([1, 0]);
  const other = { kind: 'trusted', cosigned: true, known: 'other' } as const;
  expect(twice(() => bench.say({ kind: 'proof', run: 'a', proof: other }))).toEqual([1, 0]);
  bench.restart();
  bench.push(main, 3).take('cancel');
  expect(twice(() => bench.say({ kind: 'cancel-failed', id }))).toEqual([1, 1]);
  bench.restart();
  expect(twice(() => bench.say({ kind: 'cancelled', id }))).toEqual([1, 0]);
  expect(bench.machine.state.publications.get(id)).toMatchObject({ phase: 'ended', busy: false });
  bench.restart();
});

it('settings without a dialect are replayed with the patterns of before', () => {
  const wide = [rule({ branches: ['{main,next}', 'release/**'] })];
  const before = new Bench(settingsOf({ rules: wide, dialect: undefined })).refs({}, true);
  before.push('refs/heads/next', 2).push('refs/heads/release', 3);
  before.restart();
  const commits = () => [...before.machine.state.publications.values()].map(({ order }) => order.commit);
  expect(commits()).toEqual([commit(2), commit(3)]);
  // A start reads watch.toml, whose patterns are of one dialect: what is pushed from then on is compared in it.
  before.say({ kind: 'configured', settings: settingsOf({ rules: wide }) });
  before.push('refs/heads/next', 5).push('refs/heads/release', 6).push('refs/heads/release/1', 7);
  before.restart();
  expect(commits()).toEqual([commit(2), commit(3), commit(7)]);
});

it('an order keeps what its requests say of the push, whatever the settings are by then', () => {
  const bench = new Bench(settingsOf()).refs({}, true).push('refs/heads/main', 2);
  for (const [n, subject] of [true, false].entries()) {
    bench.say({ kind: 'configured', settings: settingsOf({ words: { subject } }) });
    bench.push('refs/heads/main', 3 + n);
  }
  const words = () => [...bench.machine.state.publications.values()].map(({ order }) => order.words);
  expect(words()).toEqual([undefined, { subject: true }, { subject: false }]);
  bench.restart();
  expect(words()).toEqual([undefined, { subject: true }, { subject: false }]);
});

it('a cancelling that failed is tried again ever more slowly', () => {
  const bench = begun().push(main, 2);
  bench.published(bench.orders()[0] as never, 'a').push(main, 3);
  const [{ id = '' } = {}] = bench.take('cancel');
  const waits = [1, 2, 3].map(() => {
    bench.say({ kind: 'cancel-failed', id });
    const due = (bench.machine.state.publications.get(id)?.retryAt ?? 0) - bench.now;
    bench.now += due;
    bench.say({ kind: 'tick' });
    return due;
  });
  expect(waits).toEqual([5_000, 10_000, 20_000]);
});

it('the first reason for which a pipeline is to end stays', () => {
  const bench = begun().push(main, 2);
  bench
    .published(bench.orders()[0] as never, 'a')
    .push(main, 3)
    .push(main, 4);
  expect([...bench.machine.state.publications.values()][0]?.stopped).toBe(
    `superseded by ${commit(3).slice(0, 12)}`,
  );
});

it('a commit that is pushed again is another pipeline, whose status the earlier one does not change', () => {
  const bench = begun().push(main, 2);
  bench
    .published(bench.orders()[0] as never, 'a')
    .push(main, 3)
    .push(main, 2);
  expect(bench.machine.state.publications.size, 'within one millisecond it is the same').toBe(2);
  bench.now += 1_000;
  bench.push(main, 3).push(main, 2);
  expect(bench.machine.state.publications.size).toBe(4);
  const whole = () =>
    [...bench.machine.state.statuses.values()].find(
      ({ commit: of, context }) => of === commit(2) && context === 'quorate/main',
    )?.wanted.says;
  expect(whole()).toBe('ordered');
  bench.say({ kind: 'stands', stands: [stand('a', 'cancelled')] });
  expect(whole()).toBe('ordered');
});

it('a status that the forge refused is told again once it is another one', () => {
  const bench = begun().push(main, 2);
  bench.published(bench.orders()[0] as never, 'a', 'b').tell();
  const of = () => bench.take('status').filter(({ context }) => context === 'quorate/main');
  bench.say({ kind: 'stands', stands: [stand('a', 'agreed', { level: 'agreed' })] });
  const [{ key = '' } = {}] = of();
  bench.say({ kind: 'status-failed', key, message: 'no', again: false });
  bench.say({ kind: 'stands', stands: [stand('b', 'building')] });
  expect(of(), 'the whole is as it was').toEqual([]);
  bench.say({ kind: 'stands', stands: [stand('b', 'done', { level: 'failed' })] });
  expect(of()).toMatchObject([{ key, status: { state: 'failure' } }]);
});

it('a commit that was verified before the controller said that it is over is the next one compared with', () => {
  const trusted = [stand('a', 'done', { level: 'trusted' })];
  const base = (act: (bench: Bench) => unknown, settings = settingsOf()) => {
    const bench = begun(settings).push(main, 2);
    bench.published(bench.orders()[0] as never, 'a');
    act(bench);
    return bench.push(main, 9).orders()[0]?.base;
  };
  expect(base((bench) => bench.proven('a').say({ kind: 'stands', stands: trusted }))).toBe(commit(2));
  // One that was superseded is none.
  expect(
    base((bench) => bench.push(main, 3).proven('a').say({ kind: 'stands', stands: trusted }).orders()),
  ).toBe(commit(1));
  // Nor is the one that a rule with times has built.
  const nightly = rule({ name: 'nightly', cron: '0 3 * * *' });
  const timed = (bench: Bench) => {
    bench.now = bench.machine.nextDeadline() ?? 0;
    const [order] = bench.say({ kind: 'tick' }).orders();
    bench.published(order as never, 'n').proven('n');
    bench.say({ kind: 'stands', stands: [stand('n', 'done', { level: 'trusted' })] });
    bench.now += 60_000;
    expect(bench.say({ kind: 'tick' }).orders()).toEqual([]);
  };
  expect(base(timed, settingsOf({ rules: [rule(), nightly] }))).toBe(commit(1));
});

it('a run stands the same where all that is shown of it is the same', () => {
  const one = stand('a', 'done', {
    level: 'disputed',
    reason: 'results-differ',
    cosigned: false,
    revoked: true,
    account: { state: 'disputed', reason: 'x' },
  });
  expect(isSameStand(one, structuredClone(one))).toBe(true);
  expect(isSameStand(one, undefined)).toBe(false);
  const others: Partial<RunStand>[] = [
    ...[{ state: 'lost' as const }, { level: null }, { reason: undefined }, { cosigned: undefined }],
    ...[{ revoked: undefined }, { account: undefined }],
    { account: { state: 'disputed', reason: 'y' } },
  ];
  for (const other of others) expect(isSameStand(one, { ...one, ...other })).toBe(false);
});

const pulls = { authors: ['alice'], paths: [] };
const grown = (bench: Bench, act: () => unknown) => {
  const before = bench.journal.length;
  act();
  return bench.journal.length - before;
};

it('decisions and ends of pull requests are in the journal, once, and statuses of a commit that is gone are forgotten', () => {
  const bench = begun(settingsOf({ pulls })).pull({ pull: 7, commit: commit(2) });
  const statuses = () => bench.machine.state.statuses;
  const twice = (act: () => unknown) => [grown(bench, act), grown(bench, act)];
  const commits = () => [...statuses().values()].map(({ commit: of }) => of);
  const approve = () =>
    bench.say({ kind: 'decided', pull: 7, commit: commit(2), verdict: 'approved', by: 'carol' });
  expect(twice(approve)).toEqual([1, 0]);
  bench.restart();
  bench.pull({ pull: 8, commit: commit(3) });
  expect(new Set(commits())).toEqual(new Set([commit(2), commit(3)]));
  bench.pull({ pull: 8, commit: commit(4) });
  expect(new Set(commits())).toEqual(new Set([commit(2), commit(4)]));
  expect(twice(() => bench.say({ kind: 'pull-closed', pull: 8 }))).toEqual([1, 0]);
  expect(new Set(commits())).toEqual(new Set([commit(2)]));
  bench.restart();
  const [key = ''] = statuses().keys();
  const failed = { kind: 'status-failed' as const, message: 'no' };
  expect(grown(bench, () => bench.say({ ...failed, key, again: true }))).toBe(1);
  expect(statuses().get(key)?.retryAt).toBe(bench.now + 5_000);
  expect(grown(bench, () => bench.say({ ...failed, key, again: false }))).toBe(1);
  expect(statuses().get(key)).toMatchObject({ retryAt: null, failed: 'no' });
  // Answers about what was forgotten meanwhile.
  expect(grown(bench, () => bench.say({ ...failed, key: 'gone', again: true }))).toBe(0);
  const status = { state: 'pending', says: 'x' } as const;
  expect(grown(bench, () => bench.say({ kind: 'status-set', key: 'gone', status }))).toBe(0);
});

it('an approved pull request that waits for its turn has it, also when its title changes meanwhile', () => {
  const bench = begun(settingsOf({ pulls }));
  const { authorPublicationsMax: max } = watchLimits;
  for (let pull = 1; pull <= max + 1; pull++) bench.pull({ pull, commit: commit(pull), author: 'alice' });
  const { publications } = bench.machine.state;
  const causes = () =>
    [...publications.values()].map(({ cause }) => (cause.kind === 'pull' ? cause.pull : 0));
  expect(causes()).not.toContain(max + 1);
  bench.pull({ pull: max + 1, commit: commit(max + 1), author: 'alice', title: 'worse' });
  const [first] = publications.keys();
  bench.say({ kind: 'unaffected', id: first ?? '', says: 'no path' });
  expect(causes()).toContain(max + 1);
  expect(causes()).toHaveLength(max + 1);
  bench.restart();
});

it('the pipeline of a pull request ends when it is for another branch', () => {
  const bench = begun(settingsOf({ pulls })).refs({ 'refs/heads/release/1': 5 });
  bench.orders();
  const of = { pull: 7, commit: commit(2), author: 'alice' };
  bench.pull({ ...of, base: 'release/1' });
  bench.published(bench.orders()[0] as never, 'a').tell();
  bench.pull({ ...of, base: 'release/1', title: 'worse' });
  expect(bench.take('cancel')).toEqual([]);
  bench.now += 1_000;
  bench.pull({ ...of, base: 'main', title: 'worse' });
  expect(bench.take('cancel')).toMatchObject([{ runs: ['a'], reason: 'it is for main now' }]);
  expect(bench.orders()).toMatchObject([{ base: commit(1) }]);
});

it('a status leads to its run once there is one, also that of a pull request, and one of what touches nothing is not told', () => {
  const link = 'https://ci/{run}?{commit}';
  const bench = begun(settingsOf({ pulls, link })).push(main, 2);
  const whole = () => bench.take('status').map(({ context, status }) => [context, status.link]);
  expect(whole()).toEqual([['quorate/main', undefined]]);
  bench.pull({ pull: 7, commit: commit(3), author: 'alice' });
  const [order, ofPull] = bench.orders();
  bench.tell();
  bench.published(ofPull as never, 'a');
  expect(whole()).toEqual([
    ['quorate:pull', `https://ci/a?${commit(3)}`],
    ['quorate:pull/a', `https://ci/a?${commit(3)}`],
  ]);
  bench.tell();
  bench.say({ kind: 'unaffected', id: order?.id ?? '', says: 'no path' });
  expect(whole()).toEqual([]);
});

it('the controller’s state of a run is kept without the names of builders, which change often', async () => {
  const bench = begun().push(main, 2);
  bench.published(bench.orders()[0] as never, 'a', 'b', 'c', 'd');
  const jobs = [
    { run: 'a', state: 'building', level: null, builders: ['ada'] },
    { run: 'b', state: 'waiting', level: null },
    { run: 'of another', state: 'waiting', level: null },
    {
      run: 'c',
      state: 'done',
      level: 'trusted',
      reason: 'x',
      cosigned: false,
      revoked: { what: 'job', id: 'x', since: 1, reason: 'y' },
    },
    { run: 'd', state: 'done', level: 'trusted', cosigned: true },
  ];
  const client = { jobs: async () => ({ jobs }) } as unknown as Parameters<typeof standsOf>[0];
  const found = await standsOf(client, bench.machine.state, new Set());
  expect(found.map(({ run, account }) => [run, account])).toEqual([
    ['a', { state: 'building', reason: '' }],
    ['b', { state: 'waiting', reason: expect.stringMatching(/./) }],
    ['c', expect.objectContaining({ state: 'revoked' })],
    ['d', expect.objectContaining({ state: 'trusted' })],
  ]);
  const rest = found.map(({ reason, cosigned, revoked }) => ({ reason, cosigned, revoked }));
  expect(rest).toEqual([{}, {}, { reason: 'x', cosigned: false, revoked: true }, {}]);
});

it('the five thousand newest webhooks are remembered', () => {
  const { machine, ...bench } = new Bench();
  const max = watchLimits.deliveriesMax;
  for (let n = 0; n <= max; n++) {
    if (n === max) expect(machine.isReplay('0', 'x')).toBe(true);
    machine.handle({ kind: 'webhook', delivery: `${n}`, digest: `d${n}` }, bench.now);
  }
  expect(machine.state.deliveries.size).toBe(2 * max);
  const known = (n: number) => [machine.isReplay(`${n}`, 'x'), machine.isReplay('x', `d${n}`)];
  expect([known(0), known(1), known(max)]).toEqual([
    [false, false],
    [true, true],
    [true, true],
  ]);
});
