import { createHash } from 'node:crypto';
import { CID } from 'multiformats/cid';
import * as Digest from 'multiformats/hashes/digest';
import { describe, expect, it } from 'vitest';
import { bearsFailure, emptyTree, provenBy, verdictLevelOf } from '../../../src/protocol/trust/decide.ts';
import { isExit } from '../../../src/protocol/trust/evidence.ts';
import { countsUncosigned } from '../../../src/protocol/trust/not-cosigned.ts';
import { inLogOrder } from '../../../src/protocol/trust/rules.ts';
import { needsWitnesses } from '../../../src/protocol/trust/witnesses.ts';
import { A, aborted, B, exit, judge, open, own, policy, trustedKey, vote } from './votes.ts';

const two = [vote('ada', 0, A), vote('bob', 1, A)];

const levelOf = ({ results }: ReturnType<typeof judge>, artifact: string): string =>
  results.find(({ outcome }) => outcome.artifact === artifact)?.level ?? 'none';

describe('levels', () => {
  it('are none without a receipt, provisional with one, agreed with N', () => {
    expect(judge([]).level).toBe('none');
    expect(judge([vote('ada', 0, A)])).toMatchObject({ level: 'provisional', outcome: exit(A) });
    expect(judge(two)).toMatchObject({
      level: 'agreed',
      outcome: exit(A),
      round: 1,
      operators: ['ada', 'bob'],
    });
  });

  it('trusted once the trusted worker built the same and signed', () => {
    expect(judge([...two, own(A)])).toMatchObject({ level: 'trusted', outcome: exit(A) });
    expect(judge([...two, own(A)], { cosigned: [] }).level).toBe('agreed');
    expect(judge(two).level).toBe('agreed');
  });

  it('trusted by agreement alone where the policy asks for no co-signature', () => {
    expect(judge(two, { policy: open }).level).toBe('trusted');
    expect(judge([two[0] ?? own(A)], { policy: open }).level).toBe('provisional');
  });

  it('no more than agreed while an input is not trusted', () => {
    for (const level of ['none', 'provisional', 'agreed', 'failed'] as const) {
      expect(judge([...two, own(A)], { inputs: { [B]: 'trusted', x: level } }).level).toBe('agreed');
      expect(judge(two, { policy: open, inputs: { x: level } }).level).toBe('agreed');
    }
    expect(judge([...two, own(A)], { inputs: { [B]: 'trusted' } }).level).toBe('trusted');
  });

  it('are stated in a verdict as they are, and below agreement as disputed where somebody built something else', () => {
    expect(verdictLevelOf(judge([]))).toBe('unfinished');
    expect(verdictLevelOf(judge([vote('ada', 0, A)]))).toBe('unfinished');
    expect(verdictLevelOf(judge([vote('ada', 0, A), vote('bob', 1, B)]))).toBe('disputed');
    expect(verdictLevelOf(judge([vote('ada', 0, A), own(B)]))).toBe('disputed');
    expect(verdictLevelOf(judge([vote('ada', 0, A), own(A)]))).toBe('unfinished');
    expect(verdictLevelOf(judge([...two, own(B)]))).toBe('disputed');
    expect(verdictLevelOf(judge(two))).toBe('agreed');
    expect(verdictLevelOf(judge([...two, own(A)]))).toBe('trusted');
  });
});

describe('agreement', () => {
  it('needs N, not all: a dissenter blocks nothing', () => {
    const votes = [...two, vote('eve', 2, B)];
    expect(judge(votes)).toMatchObject({ level: 'agreed', outcome: exit(A) });
    expect(levelOf(judge(votes), B)).toBe('provisional');
    expect(levelOf(judge(votes), 'other')).toBe('none');
  });

  it('is not reached by silence: two absent slots do not make one receipt a majority', () => {
    expect(judge([vote('ada', 0, A)]).level).toBe('provisional');
    const five = { ...policy, agree: 3, of: 5 };
    expect(judge(two, { policy: five }).level).toBe('provisional');
  });

  it('is of exit status and output root together', () => {
    expect(judge([vote('ada', 0, A), vote('bob', 1, A, { outcome: exit(A, 3) })]).level).toBe('provisional');
  });

  it('is of one round: votes of two rounds are never added up', () => {
    const split = [vote('ada', 0, A), vote('bob', 0, A, { round: 2 }), vote('cyd', 0, A, { round: 3 })];
    expect(judge(split).level).toBe('provisional');
    expect(judge([...split, vote('dan', 1, A, { round: 3 })])).toMatchObject({ level: 'agreed', round: 3 });
  });

  it('holds in each round for itself; the earlier one is named', () => {
    const later = [vote('cyd', 0, B, { round: 2 }), vote('dan', 1, B, { round: 2 })];
    const decision = judge([...later, ...two]);
    expect(decision).toMatchObject({ level: 'agreed', outcome: exit(A), round: 1 });
    expect(levelOf(decision, B)).toBe('agreed');
  });
});

describe('votes that do not count towards N, and why', () => {
  const ada = vote('ada', 0, A);
  it.each([
    ['aborted', vote('bob', 1, A, { outcome: aborted })],
    ['trusted-worker', vote('bob', 1, A, { role: 'trusted-worker' })],
    ['trusted-worker', vote('bob', 1, A, { worker: trustedKey })],
    ['trusted-worker', vote('bob', 1, A, { slot: 'trusted' })],
    ['unsealed', vote('bob', 1, A, { sealed: false })],
    ['no-such-slot', vote('bob', 3, A)],
    ['enrolled-late', vote('bob', 1, A, { enrolled: 99 })],
    ['slot-taken', vote('bob', 0, A, { index: 120 })],
    ['operator-counted', vote('ada', 1, A, { worker: 'other machine' })],
  ])('%s', (reason, second) => {
    const decision = judge([ada, second]);
    expect(decision.level).toBe('provisional');
    expect(Object.fromEntries(decision.excluded)).toEqual({ [second.receipt]: reason });
  });

  it('enrolled just before the offer counts', () => {
    expect(judge([ada, vote('bob', 1, A, { enrolled: 98 })]).level).toBe('agreed');
  });

  it('not-fresh: an operator that had a slot in an earlier round, even one whose run was aborted', () => {
    for (const first of [vote('bob', 1, B), vote('bob', 1, null, { outcome: aborted })]) {
      const votes = [first, vote('bob', 0, A, { round: 2 }), vote('cyd', 1, A, { round: 2 })];
      const decision = judge(votes);
      expect(decision.level).toBe('provisional');
      expect(decision.excluded.get(votes[1]?.receipt ?? '')).toBe('not-fresh');
    }
  });

  it('a receipt of an earlier round that turns up late voids no later vote', () => {
    const round2 = [vote('bob', 0, A, { round: 2 }), vote('cyd', 1, A, { round: 2 })];
    expect(judge([...round2, vote('bob', 0, B, { index: 300, sealed: false })]).level).toBe('agreed');
  });

  it("the trusted worker's slot makes its operator no stranger to the next round", () => {
    const votes = [own(B), vote('owner', 0, A, { round: 2, worker: 'k2' }), vote('cyd', 1, A, { round: 2 })];
    expect(judge(votes).excluded.has(votes[1]?.receipt ?? '')).toBe(false);
  });

  it('key-revoked: from its log index on, not before', () => {
    const revoked = (from: number) => judge(two, { revocations: { keys: { 'key-bob': from } } }).level;
    expect(revoked(101)).toBe('provisional');
    expect(revoked(102)).toBe('agreed');
    expect(judge(two, { revocations: { keys: { 'key-stranger': 0 } } }).level).toBe('agreed');
  });

  it('artifact-revoked', () => {
    expect(judge([...two, own(A)], { revocations: { keys: {}, artifacts: [A] } }).level).toBe('none');
    expect(judge([...two, own(A)], { revocations: { keys: {}, artifacts: [B] } }).level).toBe('trusted');
  });

  it('equivocated: an operator that said two things in a round said nothing', () => {
    const votes = [...two, vote('bob', 2, B, { worker: 'k2' })];
    const decision = judge(votes);
    expect(decision.level).toBe('provisional');
    expect([...decision.excluded.values()]).toEqual(['equivocated', 'equivocated']);
    expect(decision.excluded.has(votes[0]?.receipt ?? '')).toBe(false);
  });

  it('a second story after the reveal voids nothing', () => {
    expect(judge([...two, vote('bob', 2, B, { worker: 'k2', sealed: false })]).level).toBe('agreed');
  });

  it('an aborted run leaves its slot and its operator free for another', () => {
    const lost = [vote('bob', 1, null, { outcome: aborted, index: 90 })];
    expect(judge([...lost, ...two]).level).toBe('agreed');
  });

  it('one operator with many machines has one vote', () => {
    const machines = [0, 1, 2].map((slot) => vote('ada', slot, A, { worker: `machine ${slot}` }));
    expect(judge(machines, { policy: open }).level).toBe('provisional');
  });
});

describe('cheap agreement', () => {
  it('without outputs needs a co-signature, whatever the policy says', () => {
    for (const artifact of [null, emptyTree]) {
      const votes = [vote('ada', 0, artifact), vote('bob', 1, artifact)];
      expect(judge(votes, { policy: open }).level).toBe('agreed');
      expect(judge([...votes, own(artifact)], { policy: open }).level).toBe('trusted');
      expect(judge([...votes, own(artifact)], { policy: open, cosigned: [] }).level).toBe('agreed');
    }
  });

  it('knows the empty directory by its CID', () => {
    // dag-pb of an empty UnixFS directory: Data field (0x0a) of two bytes, type (0x08) directory (1).
    const digest = createHash('sha256').update(Buffer.from('0a020801', 'hex')).digest();
    expect(CID.createV1(0x70, Digest.create(0x12, digest)).toString()).toBe(emptyTree);
  });

  it('failures form no quorum', () => {
    const failing = [0, 1, 2].map((slot) => vote(`op${slot}`, slot, null, { outcome: exit(null, 1) }));
    for (const under of [policy, open]) {
      const decision = judge(failing, { policy: under });
      expect(decision).toMatchObject({ level: 'none', outcome: null, unconfirmedFailure: true });
      expect(verdictLevelOf(decision)).toBe('unfinished');
    }
    expect(
      judge([vote('ada', 0, A, { outcome: exit(A, 1) }), vote('bob', 1, A, { outcome: exit(A, 1) })]).level,
    ).toBe('none');
  });

  it('failed once the trusted worker fails too', () => {
    const failing = [
      vote('ada', 0, null, { outcome: exit(null, 1) }),
      vote('bob', 1, null, { outcome: exit(null, 2) }),
    ];
    const fails = own(null, { outcome: exit(null, 1) });
    expect(judge([...failing, fails])).toMatchObject({ level: 'failed', outcome: exit(null, 1) });
    expect(judge([...failing, own(null, { outcome: aborted })]).level).toBe('none');
    expect(judge([...failing, own(A)]).level).toBe('none');
    expect(judge([failing[0] ?? fails, fails]).level).toBe('none');
    expect(judge([...failing, fails], { revocations: { keys: { [trustedKey]: 0 } } }).level).toBe('none');
  });
});

describe('the trusted worker', () => {
  it('never counts towards N', () => {
    expect(judge([vote('ada', 0, A), own(A)]).level).toBe('provisional');
    expect(judge([own(A)]).level).toBe('none');
  });

  it('revokes what it contradicts, and its own result stays unsaid', () => {
    for (const under of [policy, open]) {
      const decision = judge([...two, own(B)], { policy: under });
      expect(decision).toMatchObject({ level: 'none', outcome: null });
      expect(decision.contradicted).toMatchObject([{ outcome: exit(A), round: 1 }]);
      expect(levelOf(decision, B)).toBe('none');
    }
    expect(judge([...two, own(null, { outcome: exit(null, 1) })]).level).toBe('none');
  });

  it('contradicts nothing with an aborted run', () => {
    expect(judge([...two, own(null, { outcome: aborted })])).toMatchObject({
      level: 'agreed',
      contradicted: [],
    });
  });

  it('is met by a later round of fresh operators that builds what it built', () => {
    const round2 = [vote('cyd', 0, B, { round: 2 }), vote('dan', 1, B, { round: 2 })];
    expect(judge([...two, own(B), ...round2])).toMatchObject({
      level: 'trusted',
      outcome: exit(B),
      round: 2,
    });
    const same = [vote('ada', 0, B, { round: 2 }), vote('dan', 1, B, { round: 2 })];
    expect(judge([...two, own(B), ...same]).level).toBe('provisional');
  });

  it('is one of the charter, with that role, in that slot, and not revoked', () => {
    const weightless = [own(B, { worker: 'key-mallory' }), own(B, { role: 'worker' }), own(B, { slot: 2 })];
    for (const fake of weightless) {
      expect(judge([...two, fake])).toMatchObject({ level: 'agreed', contradicted: [] });
      expect(judge([...two, { ...fake, outcome: exit(A) }], { cosigned: [fake.worker] }).level).toBe(
        'agreed',
      );
    }
    const revocations = { keys: { [trustedKey]: 150 } };
    expect(judge([...two, own(B)], { revocations }).level).toBe('agreed');
    expect(judge([...two, own(A)], { revocations }).level).toBe('agreed');
  });

  it('signs only what it built: the co-signature of another key adds nothing', () => {
    const trustedKeys = [trustedKey, 'key-second'];
    expect(judge([...two, own(A)], { trustedKeys, cosigned: ['key-second'] }).level).toBe('agreed');
    expect(judge([...two, own(A)], { trustedKeys, cosigned: [trustedKey] }).level).toBe('trusted');
  });

  it('of several, one that contradicts is enough', () => {
    const trustedKeys = [trustedKey, 'key-second'];
    const second = own(B, { worker: 'key-second', receipt: 'second' });
    expect(judge([...two, own(A), second], { trustedKeys }).level).toBe('none');
  });
});

describe('at its edges', () => {
  const failed = exit(null, 1);
  const fails = (operator: string, slot: number, over = {}) =>
    vote(operator, slot, null, { outcome: failed, ...over });

  it('a policy whose quorums share no operator is a mistake of ours', () => {
    expect(() => judge([], { policy: { ...policy, agree: 1, of: 2 } })).toThrow(/share an operator/);
    expect(judge([], { policy: { ...policy, agree: 2, of: 3 } }).level).toBe('none');
  });

  it('a failure is unconfirmed while no trusted worker has built, and a result where none has built the same', () => {
    const both = [fails('ada', 0), fails('bob', 1)];
    expect(judge(both).unconfirmedFailure).toBe(true);
    expect(judge([...both, own(null, { outcome: failed })]).unconfirmedFailure).toBe(false);
    expect(judge(two).results).toMatchObject([{ confirmed: false, contradicted: false }]);
    expect(judge([...two, own(A)]).results).toMatchObject([{ confirmed: true, contradicted: false }]);
  });

  it('a result is contradicted where N operators came to it, and a dispute needs operators', () => {
    expect(judge([...two, own(B)]).contradicted).toHaveLength(1);
    expect(judge([vote('ada', 0, A), own(B)])).toMatchObject({ contradicted: [], dispute: 'trusted-worker' });
    const second = own(B, { worker: 'key-second', receipt: 'second' });
    const trustedKeys = [trustedKey, 'key-second'];
    expect(judge([own(A), second], { trustedKeys }).dispute).toBeNull();
    expect(judge([vote('ada', 0, A), vote('bob', 1, B)]).dispute).toBe('operators');
    expect(judge([vote('ada', 0, A), own(A)]).dispute).toBeNull();
    // Failures are alike but where they count by themselves.
    const others = [fails('ada', 0), vote('bob', 1, null, { outcome: exit(null, 2) })];
    expect(judge(others).dispute).toBeNull();
    expect(judge(others, { policy: open, kind: 'test' }).dispute).toBe('operators');
  });

  it('of rounds in which as many built it the earliest counts', () => {
    const votes = [vote('ada', 0, A), vote('bob', 0, A, { round: 2 })];
    expect(judge(votes).results).toMatchObject([{ round: 1, operators: ['ada'] }]);
    const more = [...votes, vote('cyd', 1, A, { round: 2 })];
    expect(judge(more).results).toMatchObject([{ round: 2, operators: ['bob', 'cyd'], level: 'agreed' }]);
  });

  it('of receipts at one place in the log the one with the first id counts', () => {
    const [first, second] = [
      vote('ada', 0, A, { index: 7, receipt: 'a' }),
      vote('bob', 0, A, { index: 7, receipt: 'b' }),
    ];
    for (const votes of [
      [first, second],
      [second, first],
    ])
      expect(judge(votes).excluded).toEqual(new Map([['b', 'slot-taken']]));
    expect([inLogOrder(first, second) < 0, inLogOrder(second, first) > 0, inLogOrder(first, first)]).toEqual([
      true,
      true,
      0,
    ]);
  });

  it('a build that ended without a result is no vote', () => {
    expect(isExit(vote('ada', 0, A))).toBe(true);
    expect(isExit(vote('ada', 0, A, { result: null }))).toBe(false);
    expect(isExit(vote('ada', 0, null, { outcome: aborted }))).toBe(false);
  });

  it('a failure is borne by a decision about it, or by that of N operators of a test', () => {
    const test = judge([fails('ada', 0), fails('bob', 1)], { policy: open, kind: 'test' });
    const { failure } = test;
    expect(bearsFailure(test, failure?.result ?? '')).toBe(true);
    expect(bearsFailure(test, 'other')).toBe(false);
    expect(bearsFailure(test, null)).toBe(false);
    expect(bearsFailure(judge(two), judge(two).result)).toBe(false);
  });

  it.each([
    ['none', 'agreed', true],
    ['none', 'trusted', true],
    ['none', 'failed', true],
    ['none', 'disputed', false],
    ['none', 'provisional', false],
    ['required', 'trusted', false],
  ] as const)('with a co-signature %s the level %s counts without one: %s', (cosign, level, counts) => {
    expect(countsUncosigned({ cosign }, level)).toBe(counts);
  });

  it.each([
    ['disputed', 'none'],
    ['unfinished', 'none'],
    ['failed', 'failed'],
    ['agreed', 'agreed'],
  ] as const)('a verdict %s proves %s', (stated, level) => expect(provenBy(stated)).toBe(level));

  it.each([
    [open, 'trusted', exit(A), true],
    [open, 'trusted', exit(emptyTree), false],
    [open, 'trusted', exit(null), false],
    [open, 'trusted', null, true],
    [open, 'agreed', exit(A), false],
    [policy, 'trusted', exit(A), false],
  ] as const)('%j, %s of %j needs witnesses: %s', (under, level, outcome, needs) => {
    expect(needsWitnesses(under, level, outcome)).toBe(needs);
  });
});
