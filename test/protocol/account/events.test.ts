import { describe, expect, it } from 'vitest';
import {
  afterRepeated,
  afterTally,
  type BuildState,
  buildText,
  eventText,
  firstOfMost,
  isAlarmingRepeat,
  type RunState,
  tellAlarm,
  verdictText,
} from '../../../src/protocol/account/index.ts';
import type { Progress } from '../../../src/protocol/wire/progress.ts';
import { cidOf, testKey } from '../../support/documents.ts';

const worker = testKey('ada').id;
const earlier = 'e'.repeat(64);
const [made, before] = [cidOf('made'), cidOf('before')];
const decidedAt = Date.UTC(2026, 0, 2, 3, 4, 5);
const build = { round: 1, slot: 0, worker, operator: 'ada' };
const result = (operator: string, said: string, slot: number | 'trusted' = 0) => ({
  worker,
  operator,
  slot,
  result: said,
  log: null,
});
const revealed = (...results: ReturnType<typeof result>[]): Progress => ({
  kind: 'revealed',
  round: 1,
  results,
});
const repeated = { kind: 'repeated', earlier, decidedAt, same: false, artifact: made, before } as const;
const missing: Extract<Progress, { kind: 'unwitnessed' }> = {
  kind: 'unwitnessed',
  operators: ['ada'],
  operatorsNeeded: 2,
  named: [],
  namedNeeded: 0,
  namedMissing: [],
};
const ofEarlier = 'run eeeeeeeeee (2026-01-02 03:04:05Z)';

describe('an event of a run', () => {
  it.each<[Progress, string]>([
    [{ kind: 'leased', ...build }, 'ada builds'],
    [{ kind: 'leased', ...build, slot: 'trusted' }, 'ada (trusted worker) builds'],
    [
      { kind: 'round', round: 2, offer: earlier, agree: 2, of: 3, cosign: false },
      'round 2: 2 of 3 operators',
    ],
    [
      { kind: 'round', round: 2, offer: earlier, agree: 2, of: 3, cosign: true },
      'round 2: 2 of 3 operators and the trusted worker',
    ],
    [{ kind: 'unfilled', round: 1, slots: 1 }, '1 slot without a result'],
    [
      { kind: 'unfilled', round: 1, slots: 2, absent: true },
      '2 slots without a result: nobody is connected who could take them',
    ],
    [revealed(result('ada', 'exit 0'), result('bob', 'exit 0', 1)), 'round 1 revealed: 2 results'],
    [revealed(result('owner', 'exit 1', 'trusted')), 'the trusted worker came to exit 1'],
    [{ kind: 'differs', round: 1, files: [], count: 0 }, 'the builds were compared'],
    [{ kind: 'compared', results: [], files: ['a'], count: 3 }, '3 files differ'],
    [{ kind: 'agreed', round: 1, artifact: null, by: ['ada', 'bob'] }, 'ada, bob agree on no outputs'],
    [repeated, `built again: something else than in ${ofEarlier}`],
    [{ ...repeated, same: true }, `built again: the same bytes as in ${ofEarlier}`],
    [{ ...repeated, same: true, artifact: null }, `built again: the same outcome as in ${ofEarlier}`],
    [{ ...repeated, later: true }, `built again in ${ofEarlier}, which came to something else`],
    [{ ...repeated, same: true, later: true }, `built again: the same bytes as in ${ofEarlier}`],
    [missing, 'agreed on, and waits to be trusted: workers of 1 of 2 operators have signed the log (ada)'],
    [
      { ...missing, operators: [], namedNeeded: 1, named: ['w1'], namedMissing: ['w2'] },
      'agreed on, and waits to be trusted: workers of 0 of 2 operators have signed the log; 1 of 1 witnesses of the charter have (w1), missing (w2)',
    ],
  ])('%j is %s', (progress, text) => expect(eventText(progress)).toBe(text));
});

it.each([
  [{ level: 'trusted' }, 'trusted'],
  [{ level: 'unfinished', reason: 'too-few' }, 'unfinished: too few operators built it'],
  [{ level: 'disputed', reason: 'of tomorrow' }, 'disputed: of tomorrow'],
  [{ level: 'unfinished', reason: 'aborted', limit: 'too large' }, 'aborted: too large'],
] as const)('the verdict %j is %s', (verdict, text) => expect(verdictText(verdict)).toBe(text));

it.each<[BuildState, boolean, RunState, string]>([
  ['building', false, 'building', 'building'],
  ['sealed', false, 'sealed', 'done, sealed'],
  ['revealed', true, 'trusted', ''],
  ['lost', true, 'cancelled', 'lost'],
  ['building', true, 'cancelled', 'cancelled'],
  ['sealed', true, 'cancelled', 'done, cancelled'],
  ['building', true, 'trusted', 'not finished, ended with it'],
  ['sealed', true, 'trusted', 'done, not shown'],
])('a build that is %s, over: %s, of a run that is %s: %s', (state, over, run, text) => {
  expect(buildText(state, { over, state: run })).toBe(text);
});

it('results are in the order of how many operators came to them, that of the trusted worker alone last', () => {
  const of = (...results: [result: string, slot: number | 'trusted'][]) =>
    firstOfMost(results.map(([said, slot]) => ({ result: said, slot })));
  expect(of(['a', 0], ['b', 1], ['b', 2])).toEqual(['b', 'a']);
  expect(of(['a', 0], ['b', 1])).toEqual(['a', 'b']);
  expect(of(['c', 'trusted'], ['c', 'trusted'], ['a', 0])).toEqual(['a', 'c']);
  expect(of(['b', 'trusted'], ['a', 0], ['b', 1], ['b', 2])).toEqual(['b', 'a']);
});

describe('the tally of a run', () => {
  const known = { ended: 1, failed: 0, same: 2 };
  it.each<[Progress, ReturnType<typeof afterTally>]>([
    [{ kind: 'reopened', reason: 'x' }, undefined],
    [{ kind: 'inputs', job: made, inputs: {} }, undefined],
    [{ kind: 'leased', ...build }, known],
    [revealed(result('owner', 'exit 1', 'trusted')), known],
    [
      revealed(result('ada', 'exit 0'), result('ada', 'exit 0', 1), result('bob', 'exit 1')),
      { ended: 2, failed: 1 },
    ],
    [
      revealed(
        result('ada', 'aborted: disk'),
        result('bob', 'aborted: time'),
        result('cyd', 'aborted: time'),
      ),
      { ended: 1, failed: 0, aborted: 'disk; and 1 other reason' },
    ],
    [
      revealed(...['a', 'b', 'c'].map((reason) => result(reason, `aborted: ${reason}`))),
      { ended: 1, failed: 0, aborted: 'a; and 2 other reasons' },
    ],
    [revealed(result('a', `aborted: ${'x'.repeat(600)}`)), { ended: 1, failed: 0, aborted: 'x'.repeat(500) }],
    [
      { kind: 'agreed', round: 1, artifact: made, by: ['ada', 'bob', 'bob'] },
      { ended: 1, failed: 0, same: 2, by: ['ada', 'bob'] },
    ],
    [
      { kind: 'failed', round: 1, by: ['ada', 'bob'] },
      { ended: 1, failed: 2, same: 2 },
    ],
  ])('after %j is %j', (progress, tally) => expect(afterTally(known, progress)).toEqual(tally));

  it('keeps why builds of a round before were aborted', () => {
    const aborted = { ended: 0, failed: 0, aborted: 'disk' };
    expect(afterTally(aborted, revealed(result('ada', 'exit 0')))).toEqual({ ...aborted, ended: 1 });
    expect(afterTally(undefined, revealed(result('ada', 'exit 0')))).toEqual({ ended: 1, failed: 0 });
  });
});

describe('a run that was built again', () => {
  const known = { run: 'f'.repeat(64), made, other: before };
  it.each<[Progress, ReturnType<typeof afterRepeated>]>([
    [{ kind: 'reopened', reason: 'x' }, undefined],
    [{ kind: 'inputs', job: made, inputs: {} }, undefined],
    [{ kind: 'leased', ...build }, known],
    [{ ...repeated, same: true }, known],
    [{ ...repeated, revoked: true }, known],
    [repeated, { run: earlier, made, other: before }],
    [
      { ...repeated, later: true },
      { run: earlier, made, other: before, later: true },
    ],
  ])('after %j differs from %j', (progress, differs) =>
    expect(afterRepeated(known, progress)).toEqual(differs),
  );

  it.each([
    [repeated, true],
    [{ ...repeated, same: true }, false],
    [{ ...repeated, later: true } as const, false],
    [{ ...repeated, revoked: true } as const, false],
  ])('%j alarms: %s', (progress, alarms) => expect(isAlarmingRepeat(progress)).toBe(alarms));
});

it('an alarm is a warning that says so', () => {
  const told: unknown[] = [];
  tellAlarm((...all) => told.push(all), 'key-full', 'a key is full', { key: 'k' });
  expect(told).toEqual([['warn', 'key-full', 'ALARM: a key is full', { key: 'k' }]]);
});
