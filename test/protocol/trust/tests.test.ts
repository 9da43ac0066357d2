import { describe, expect, it } from 'vitest';
import { resultIdOf } from '../../../src/protocol/documents/index.ts';
import { bearsFailure, verdictLevelOf } from '../../../src/protocol/trust/decide.ts';
import { A, B, exit, judge, open, own, policy, vote } from './votes.ts';

const test = { policy: open, kind: 'test' } as const;
const fails = (operator: string, slot: number, code = 1, round = 1) =>
  vote(operator, slot, null, { outcome: exit(null, code), round });
const passes = (operator: string, slot: number, artifact = A, round = 1) =>
  vote(operator, slot, artifact, { round });

describe('a test that nobody co-signs', () => {
  it('has passed once N operators came to the same result files', () => {
    expect(judge([passes('ada', 0)], test).level).toBe('provisional');
    expect(judge([passes('ada', 0), passes('bob', 1, B)], test).level).toBe('provisional');
    expect(judge([passes('ada', 0), passes('bob', 1)], test)).toMatchObject({
      level: 'trusted',
      operators: ['ada', 'bob'],
    });
  });

  it('has failed once N operators came to the same failure, which is what the verdict is about', () => {
    const decision = judge([fails('ada', 0), passes('bob', 1), fails('cyd', 2)], test);
    expect(decision).toMatchObject({
      level: 'failed',
      outcome: exit(null, 1),
      round: 1,
      operators: ['ada', 'cyd'],
    });
    expect(verdictLevelOf(decision)).toBe('failed');
  });

  it('has neither passed nor failed where fewer failed, or each in another way', () => {
    expect(judge([fails('ada', 0)], test).level).toBe('none');
    expect(judge([fails('ada', 0), fails('bob', 1, 2)], test).level).toBe('none');
    expect(judge([fails('ada', 0), passes('bob', 1)], test).level).toBe('provisional');
  });

  it('does not add up failures of several rounds', () => {
    expect(judge([fails('ada', 0), fails('bob', 0, 1, 2)], test).level).toBe('none');
  });

  it('has passed or failed as the first N said, whatever a later round says', () => {
    const failed = [fails('ada', 0), fails('bob', 1)];
    const passed = [passes('ada', 0), passes('bob', 1)];
    const later = (round: number) => [passes('cyd', 0, A, round), passes('dan', 1, A, round)];
    const laterFails = [fails('cyd', 0, 1, 2), fails('dan', 1, 1, 2)];
    expect(judge([...failed, ...later(2)], test).level).toBe('failed');
    expect(judge([...passed, ...laterFails], test).level).toBe('trusted');
  });

  it('bears a verdict about a failure beside a success that came before: the bytes may not have been served', () => {
    const decision = judge(
      [passes('ada', 0), passes('bob', 1), fails('cyd', 0, 1, 2), fails('dan', 1, 1, 2)],
      test,
    );
    expect(decision.level).toBe('trusted');
    expect(bearsFailure(decision, resultIdOf(exit(null, 1), []))).toBe(true);
    expect(bearsFailure(decision, resultIdOf(exit(null, 2), []))).toBe(false);
    expect(bearsFailure(judge([passes('ada', 0)], test), null)).toBe(false);
  });

  it('has not failed by votes that do not count', () => {
    const revocations = { keys: { 'key-ada': 0 } };
    expect(judge([fails('ada', 0), fails('bob', 1)], { ...test, revocations }).level).toBe('none');
    const two = fails('ada', 1);
    expect(judge([fails('ada', 0), { ...two, receipt: 'another' }], test).level).toBe('none');
  });

  it('that left no file is agreed and no more: that is said without running it', () => {
    const empty = [vote('ada', 0, null), vote('bob', 1, null)];
    expect(judge(empty, test).level).toBe('agreed');
  });
});

describe('failures that do not count by themselves', () => {
  const failed = [fails('ada', 0), fails('bob', 1)];

  it('are those of a test that is co-signed: the trusted worker has to fail too', () => {
    const signed = { policy, kind: 'test' } as const;
    expect(judge(failed, signed)).toMatchObject({ level: 'none', unconfirmedFailure: true });
    const own1 = own(null, { outcome: exit(null, 1) });
    expect(judge([...failed, own1], signed).level).toBe('failed');
  });

  it('and those of every other job', () => {
    expect(judge(failed, { policy: open })).toMatchObject({ level: 'none', unconfirmedFailure: true });
  });
});
