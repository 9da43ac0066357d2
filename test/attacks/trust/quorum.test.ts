import { describe, expect, it } from 'vitest';
import { cidOf, exit } from '../../support/project.ts';
import { decideWithout, receipt, trustedReceipt, withCosign, withoutCosign } from './attack.ts';

const decide = decideWithout.bind(null, []);
const evil = exit('evil');

describe('a worker embeds unwanted code', () => {
  const votes = [receipt('mallory', 0, 'evil')];
  it('and stands alone: the others build something else', () => {
    const honest = [receipt('ada', 1, 'good'), receipt('bob', 2, 'good')];
    expect(decide(withoutCosign, [...votes, ...honest])).toMatchObject({
      level: 'trusted',
      outcome: exit('good'),
    });
    expect(decide(withoutCosign, votes).level).toBe('provisional');
  });
  it('control: where one is enough, it succeeds', () => {
    expect(decide({ ...withoutCosign, agree: 1, of: 1 }, votes)).toMatchObject({
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
  it('control: where no co-signature is required, they succeed', () => {
    expect(decide(withoutCosign, gang)).toMatchObject({ level: 'trusted', outcome: evil });
  });
});

describe('years of good behaviour, then a hijack', () => {
  const record = Array.from({ length: 50 }, (_, i) => receipt('ada', i % 3, 'good', { round: i + 1 }));
  const hijacked = receipt('ada', 0, 'evil', { round: 51 });
  it('the record adds nothing to the last receipt', () => {
    const fresh = decide(withoutCosign, [hijacked]);
    const old = decide(withoutCosign, [...record, hijacked]);
    expect(fresh.level).toBe('provisional');
    expect(old.results.find((s) => s.outcome.artifact === cidOf('evil'))?.level ?? 'none').toBe('none');
  });
  it('control: where what an operator did before counts, it succeeds', () => {
    const asOne = record.map((_, i) => receipt('ada', i % 3, 'evil', { worker: `machine ${i}` }));
    const remembering = decideWithout(
      ['operator-counted', 'slot-taken', 'not-fresh', 'enrolled-late'],
      withoutCosign,
      asOne,
    );
    expect(remembering).toMatchObject({ level: 'trusted', outcome: evil });
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
  it('dropping the honest receipts makes no majority of the rest', () => {
    expect(decide(withoutCosign, [receipt('mallory', 0, 'evil')]).level).toBe('provisional');
  });
  it('control: where M shrinks to those who delivered, it succeeds', () => {
    expect(decide({ ...withoutCosign, agree: 1, of: 1 }, [receipt('mallory', 0, 'evil')]).level).toBe(
      'trusted',
    );
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
  it('everybody makes nothing: that needs a co-signature', () => {
    expect(decide(withoutCosign, ending(exit(null, 0))).level).toBe('agreed');
  });
  it('control: the same votes for a tree succeed', () => {
    expect(decide(withoutCosign, ending(exit('evil'))).level).toBe('trusted');
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
  it('control: where all must agree, it is blocked', () => {
    expect(decide({ ...withoutCosign, agree: 3 }, votes).level).toBe('provisional');
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
