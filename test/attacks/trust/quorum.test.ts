import { describe, expect, it } from 'vitest';
import { resultIdOf } from '../../../src/protocol/documents/index.ts';
import { emptyTree } from '../../../src/protocol/trust/decide.ts';
import type { Rule } from '../../../src/protocol/trust/rules.ts';
import { cidOf, exit } from '../../support/project.ts';
import {
  decideWithout,
  decideWithRule,
  receipt,
  trustedReceipt,
  withCosign,
  withoutCosign,
} from './attack.ts';

const decide = decideWithout.bind(null, []);
const evil = exit('evil');
const outcomeOfEvil = { outcome: evil, result: resultIdOf(evil, []) };

describe('a worker embeds unwanted code', () => {
  const alone = [receipt('mallory', 0, 'evil')];
  const votes = [...alone, receipt('ada', 1, 'good'), receipt('bob', 2, 'good')];
  it('and stands alone: the others build something else', () => {
    expect(decide(withoutCosign, votes)).toMatchObject({ level: 'trusted', outcome: exit('good') });
    expect(decide(withoutCosign, alone).level).toBe('provisional');
  });
  it('control: where N need not agree, it succeeds', () => {
    for (const each of [votes, alone])
      expect(decideWithout(['agree'], withoutCosign, each)).toMatchObject({
        level: 'trusted',
        outcome: evil,
      });
  });
});

describe('many malicious workers, or good ones turned', () => {
  const gang = [receipt('mallory', 0, 'evil'), receipt('trudy', 1, 'evil'), receipt('eve', 2, 'evil')];
  it("agree, but not with the owner's own build", () => {
    expect(decide(withCosign, gang).level).toBe('agreed');
    const decision = decide(withCosign, [...gang, trustedReceipt('good')]);
    expect(decision).toMatchObject({ level: 'none', contradicted: [{ outcome: evil }] });
  });
  it('control: where the policy’s co-signature is not asked for, they succeed', () => {
    expect(decideWithout(['co-signature'], withCosign, gang)).toMatchObject({
      level: 'trusted',
      outcome: evil,
    });
  });
  it('control: also against the owner’s own build, where it contradicts nobody', () => {
    const votes = [...gang, trustedReceipt('good')];
    expect(decideWithout(['co-signature', 'contradiction'], withCosign, votes)).toMatchObject({
      level: 'trusted',
      outcome: evil,
    });
    expect(decideWithout(['co-signature'], withCosign, votes).level).toBe('none');
    expect(decideWithout(['contradiction'], withCosign, votes).level).toBe('agreed');
  });
  it('nor does a receipt of the trusted worker count among the N', () => {
    const two = [receipt('mallory', 0, 'evil'), trustedReceipt('evil', { slot: 1 })];
    expect(decide(withCosign, two).level).toBe('provisional');
    expect(decideWithout(['trusted-worker', 'co-signature'], withCosign, two)).toMatchObject({
      level: 'trusted',
      outcome: evil,
    });
  });
});

describe('years of good behaviour, then a hijack', () => {
  const record = Array.from({ length: 50 }, (_, i) => receipt('ada', i % 3, 'good', { round: i + 1 }));
  const hijacked = receipt('ada', 0, 'evil', { round: 51 });
  const fresh = receipt('eve', 0, 'evil', { round: 51 });
  const rankOf = ({ results }: ReturnType<typeof decide>) =>
    results.find(({ outcome }) => outcome.artifact === cidOf('evil'))?.level ?? 'none';
  it('the last receipt is worth no more than one of an operator without a record', () => {
    expect(rankOf(decide(withoutCosign, [fresh]))).toBe('provisional');
    expect(rankOf(decide(withoutCosign, [hijacked]))).toBe('provisional');
    expect(rankOf(decide(withoutCosign, [...record, hijacked]))).toBe('none');
  });
  it('control: where N need not agree and earlier rounds void nothing, it succeeds', () => {
    expect(rankOf(decideWithout(['agree', 'not-fresh'], withoutCosign, [...record, hijacked]))).toBe(
      'trusted',
    );
  });
  it('receipts of many rounds do not add up to the N of one', () => {
    const same = [...record, hijacked].map((vote) => ({ ...vote, ...outcomeOfEvil }));
    expect(decide(withoutCosign, same).level).toBe('provisional');
    expect(decideWithout(['not-fresh'], withoutCosign, same).level).toBe('provisional');
    expect(decideWithout(['not-fresh', 'agree'], withoutCosign, same).level).toBe('trusted');
  });
});

describe('one person, many workers', () => {
  const machines = [0, 1, 2].map((slot) => receipt('mallory', slot, 'evil', { worker: `machine ${slot}` }));
  it('one invite, one vote', () => {
    expect(decide(withoutCosign, machines).level).toBe('provisional');
  });
  it('control: where each key counts, they succeed', () => {
    expect(decideWithout(['operator-counted'], withoutCosign, machines)).toMatchObject({
      level: 'trusted',
      outcome: evil,
    });
  });
});

describe('operators made up once the offer is known', () => {
  const made = [receipt('m1', 0, 'evil', { enrolled: 99 }), receipt('m2', 1, 'evil', { enrolled: 120 })];
  it('are too new for the round', () => {
    expect(decide(withoutCosign, made).level).toBe('none');
  });
  it('control: where any operator may join at any time, they succeed', () => {
    expect(decideWithout(['enrolled-late'], withoutCosign, made)).toMatchObject({
      level: 'trusted',
      outcome: evil,
    });
  });
});

describe('silence used as a vote', () => {
  const rest = [receipt('mallory', 0, 'evil')];
  it('dropping the honest receipts makes no majority of the rest', () => {
    expect(decide(withoutCosign, rest).level).toBe('provisional');
  });
  it('control: where those who delivered are enough, it succeeds', () => {
    expect(decideWithout(['agree'], withoutCosign, rest)).toMatchObject({ level: 'trusted', outcome: evil });
  });

  const again = [receipt('mallory', 0, 'evil'), receipt('trudy', 0, 'evil', { index: 150 })];
  it('a slot used twice makes no second vote', () => {
    expect(decide(withoutCosign, again).level).toBe('provisional');
  });
  it('control: where a slot may deliver again, it succeeds', () => {
    expect(decideWithout(['slot-taken'], withoutCosign, again)).toMatchObject({
      level: 'trusted',
      outcome: evil,
    });
  });

  const extra = [receipt('mallory', 0, 'evil'), receipt('trudy', 7, 'evil')];
  it('a slot beyond M makes no second vote', () => {
    expect(decide(withoutCosign, extra).level).toBe('provisional');
  });
  it('control: where the offer does not fix M, it succeeds', () => {
    expect(decideWithout(['no-such-slot'], withoutCosign, extra).level).toBe('trusted');
  });
});

describe('cheap agreement', () => {
  const all = ['mallory', 'trudy', 'eve'];
  const ending = (outcome: ReturnType<typeof exit>) =>
    all.map((operator, slot) => receipt(operator, slot, null, { outcome }));
  it('everybody fails: nothing follows until the trusted worker fails too', () => {
    expect(decide(withoutCosign, ending(exit(null, 1)))).toMatchObject({
      level: 'none',
      unconfirmedFailure: true,
    });
  });
  it('control: where nobody has to confirm it, they have the job failed', () => {
    const votes = ending(exit(null, 1));
    expect(decideWithout(['failure-confirmed'], withoutCosign, votes).level).toBe('failed');
  });
  it.each([
    ['no outputs', exit(null, 0)],
    ['the empty folder', { kind: 'exit', code: 0, artifact: emptyTree }],
  ] as const)('everybody makes nothing (%s): that needs a co-signature', (_, outcome) => {
    expect(decide(withoutCosign, ending(outcome)).level).toBe('agreed');
    // The control: where an empty result is one like others, it succeeds.
    expect(decideWithout(['empty-result'], withoutCosign, ending(outcome)).level).toBe('trusted');
  });
  it('everybody times out: no vote at all', () => {
    const slow = all.map((operator, slot) =>
      receipt(operator, slot, null, { outcome: { kind: 'aborted', reason: 'time', detail: '' } }),
    );
    expect(decide(withCosign, slow)).toMatchObject({ level: 'none', unconfirmedFailure: false });
    const failed = decide(withCosign, [...slow, trustedReceipt(null, { outcome: exit(null, 1) })]);
    expect(failed.level).toBe('none');
    const crashed = ending(exit(null, 1));
    expect(decide(withCosign, [...crashed, trustedReceipt(null, { outcome: exit(null, 1) })]).level).toBe(
      'failed',
    );
  });
});

describe('one dissenter blocks everything', () => {
  const votes = [receipt('ada', 0, 'good'), receipt('bob', 1, 'good'), receipt('mallory', 2, 'evil')];
  it('N identical are enough', () => {
    expect(decide(withoutCosign, votes)).toMatchObject({ level: 'trusted', outcome: exit('good') });
  });
  it('an operator in the quorum cannot take its word back once the round is revealed', () => {
    const regret = receipt('bob', 2, 'evil', { worker: 'second machine', sealed: false, index: 195 });
    expect(decide(withoutCosign, [...votes.slice(0, 2), regret]).level).toBe('trusted');
    expect(decideWithout(['unsealed'], withoutCosign, [...votes.slice(0, 2), regret]).level).toBe(
      'provisional',
    );
  });
  it('control: where a vote for something else voids those of its round, it is blocked', () => {
    const dissentVoids: Rule = {
      reason: 'equivocated',
      excludes: (vote, left) =>
        left.some(({ round, result }) => round === vote.round && result !== vote.result),
    };
    expect(decideWithRule(dissentVoids, withoutCosign, votes).level).toBe('none');
    expect(decideWithRule(dissentVoids, withoutCosign, votes.slice(0, 2)).level).toBe('trusted');
  });
});

describe('a lazy worker copies the result', () => {
  const copied = [receipt('ada', 0, 'evil'), receipt('lazy', 1, 'evil', { sealed: false })];
  it('after the reveal it counts no more', () => {
    expect(decide(withoutCosign, copied).level).toBe('provisional');
  });
  it('control: where late receipts count, it succeeds', () => {
    expect(decideWithout(['unsealed'], withoutCosign, copied).level).toBe('trusted');
  });

  const nextRound = [
    receipt('ada', 0, 'evil'),
    receipt('ada', 0, 'evil', { round: 2 }),
    receipt('lazy', 1, 'good'),
    receipt('lazy', 1, 'evil', { round: 2 }),
  ];
  it('nor may it say in a new round what it learnt in the last', () => {
    expect(decide(withoutCosign, nextRound).level).toBe('provisional');
  });
  it('control: where a round takes the same operators again, it succeeds', () => {
    expect(decideWithout(['not-fresh'], withoutCosign, nextRound)).toMatchObject({
      level: 'trusted',
      outcome: evil,
    });
  });
});
