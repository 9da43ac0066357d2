import { expect, it } from 'vitest';
import { isSameStand } from '../../../src/runtime/watch/publications.ts';
import type { RunStand } from '../../../src/runtime/watch/status.ts';
import { Bench, commit, rule, settingsOf } from './support.ts';

const main = 'refs/heads/main';
const begun = (settings = settingsOf()) => new Bench(settings).refs({ [main]: 1 }, true);
const stand = (run: string, state: string, more: Partial<RunStand> = {}): RunStand => ({
  ...{ run, state: state as RunStand['state'], level: null },
  ...more,
});

it('what changes something is in the journal, once', () => {
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
    bench.now = bench.machine.wakeAt() ?? 0;
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
    ...{ level: 'disputed', reason: 'results-differ', cosigned: false, revoked: true },
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
