import { describe, expect, it } from 'vitest';
import { capabilities } from '../../../simulations/paperwork.ts';
import { unfilledOffers } from '../../../src/controller/machine/rounds/claims.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { idOf } from '../../../src/protocol/documents/index.ts';
import { drawOf, fullShare } from '../../../src/protocol/trust/draw.ts';
import { aborted, type Bench, built, deliverAll, leasedRound, projectOf, timings } from './bench.ts';

const code = (bench: Bench, token: string) => {
  const reply = bench.lastReply(token);
  return reply.kind === 'error' ? reply.code : reply.kind;
};
const byDraw = (bench: Bench, ...operators: string[]) =>
  operators.sort((a, b) => drawOf(a, bench.offer.draw.seed) - drawOf(b, bench.offer.draw.seed));

describe('a claim window', () => {
  it('closes as soon as everybody present has claimed or passed', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    await bench.submit();
    const ada = await bench.claim('ada');
    await bench.claim('bob');
    expect(code(bench, ada)).toBe('standby');
    await bench.claim('cy', { pass: 'busy' });
    expect(code(bench, ada)).toBe('lease');
  });

  it('closes when its time is up, whoever has not answered', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    await bench.submit();
    const ada = await bench.claim('ada');
    bench.drive(timings.windowMs - 1);
    expect(code(bench, ada)).toBe('standby');
    bench.drive(1);
    expect(code(bench, ada)).toBe('lease');
  });

  it('does not wait for one that left', async () => {
    const bench = await projectOf('ada', 'bob');
    await bench.submit();
    const ada = await bench.claim('ada');
    bench.send({ kind: 'absent', worker: bench.id('bob') });
    expect(code(bench, ada)).toBe('lease');
  });

  it('gives the slots to the lowest draws, whoever was first', async () => {
    const operators = ['ada', 'bob', 'cy', 'dan', 'eve'];
    const bench = await projectOf(...operators);
    await bench.submit();
    const wanted = byDraw(bench, ...operators);
    const leases = await bench.lease(...[...wanted].reverse());
    expect([...leases.keys()].sort()).toEqual(wanted.slice(0, 3).sort());
  });

  it('closes once nobody who has yet to answer could get a slot', async () => {
    const operators = ['ada', 'bob', 'cy', 'dan', 'eve'];
    const bench = await projectOf(...operators);
    await bench.submit();
    const [lowest = '', second = '', third = '', fourth = ''] = byDraw(bench, ...operators);
    const tokens = new Map<string, string>();
    for (const name of [fourth, third, second]) tokens.set(name, await bench.claim(name));
    // Three claims are enough for all slots; the lowest draw has yet to answer.
    expect([...tokens.values()].map((token) => code(bench, token))).toEqual(Array(3).fill('standby'));
    tokens.set(lowest, await bench.claim(lowest));
    const answers = [lowest, second, third, fourth].map((name) => code(bench, tokens.get(name) ?? ''));
    expect(answers).toEqual(['lease', 'lease', 'lease', 'reserve']);
  });

  it('does not wait for other machines of an operator that claimed', async () => {
    const bench = await projectOf('ada', 'bob', 'cy', 'dan');
    await bench.enrol('more of ada', { operator: 'ada', hosts: 2, invite: 'a'.repeat(32) });
    bench.present('more of ada');
    await bench.submit();
    const tokens = [];
    for (const name of ['ada', 'bob', 'cy', 'dan']) tokens.push(await bench.claim(name));
    expect(tokens.map((token) => code(bench, token)).sort()).toEqual(['lease', 'lease', 'lease', 'reserve']);
  });

  it('looks at each connected worker once, whatever number claims', async () => {
    const operators = Array.from({ length: 40 }, (_, n) => `op-${n}`);
    const bench = await projectOf(...operators);
    await bench.submit({ policy: { agree: 2, of: 3 }, around: 40 });
    let looked = 0;
    class Counted<K, V> extends Map<K, V> {
      override *[Symbol.iterator](): MapIterator<[K, V]> {
        for (const entry of super[Symbol.iterator]()) {
          looked++;
          yield entry;
        }
      }
    }
    const { presence } = bench.controller.state;
    presence.workers = new Counted(presence.workers);
    const { seed, share } = bench.offer.draw;
    const below = operators.filter((name) => drawOf(name, seed) < share);
    expect(below.length).toBeGreaterThan(4);
    // The lowest draw answers last, so that the window stays open.
    const tokens = [];
    for (const name of byDraw(bench, ...below).reverse()) tokens.push(await bench.claim(name));
    expect(tokens.map((token) => code(bench, token)).filter((one) => one === 'lease')).toHaveLength(3);
    expect(looked).toBeLessThan(2 * 40);
  });

  it('waits for one that connects while it is open, and has a lower draw', async () => {
    const names = Array.from({ length: 24 }, (_, n) => `op-${n}`);
    const bench = await projectOf(...names);
    const late = names[0] ?? '';
    bench.send({ kind: 'absent', worker: bench.id(late) });
    for (let n = 0; ; n++) {
      await bench.submit({ name: `app-${n}`, policy: { agree: 2, of: 3 }, around: 24 });
      if (byDraw(bench, ...names)[0] === late) break;
    }
    const [, second = '', third = '', fourth = ''] = byDraw(bench, ...names);
    const first = await bench.claim(fourth);
    bench.present(late);
    await bench.claim(third);
    await bench.claim(second);
    expect(code(bench, first)).toBe('standby');
    await bench.claim(late);
    expect(code(bench, first)).toBe('reserve');
  });

  it('that leaves a slot free has its offer told again, where others may claim later', async () => {
    const operators = Array.from({ length: 24 }, (_, n) => `op-${n}`);
    const told = (effects: { kind: string }[]) => effects.filter(({ kind }) => kind === 'offer').length;
    for (const [around, claims, again] of [
      [24, 2, 1],
      [24, 3, 0],
      // All may claim at once: nobody is left to be told.
      [10, 2, 0],
    ] as const) {
      const bench = await projectOf(...operators);
      await bench.submit({ policy: { agree: 2, of: 3 }, around });
      for (const name of byDraw(bench, ...operators).slice(0, claims)) await bench.claim(name);
      expect(unfilledOffers(bench.controller.state)).toEqual([]);
      expect(told(bench.drive(timings.windowMs))).toBe(again);
      expect(unfilledOffers(bench.controller.state)).toEqual(again === 1 ? [idOf(bench.offer)] : []);
    }
  });

  it('lets in eight for each slot of all that ever enrolled, where nobody counted those around', async () => {
    const bench = await projectOf();
    const { worker } = bench.controller.state.operators;
    for (let n = 0; n < 48; n++) worker.set(`op-${n}`, 1);
    await bench.submit({ policy: { agree: 2, of: 3 } });
    expect(bench.offer.draw.share).toBe(fullShare / 2);
    worker.clear();
    await bench.submit({ name: 'other', policy: { agree: 2, of: 3 } });
    expect(bench.offer.draw.share).toBe(fullShare);
  });

  it('lets in twice as many as there are slots and four more, of the operators that are around', async () => {
    const bench = await projectOf(...Array.from({ length: 24 }, (_, n) => `op-${n}`));
    await bench.submit({ policy: { agree: 2, of: 3 }, around: 15 });
    expect(bench.offer.draw.share).toBe(Math.floor((fullShare * 10) / 15));
    await bench.submit({ name: 'other', policy: { agree: 2, of: 3 }, around: 4 });
    expect(bench.offer.draw.share).toBe(fullShare);
  });

  it('lets nobody in whose draw is above the share, until it has widened', async () => {
    const operators = Array.from({ length: 24 }, (_, n) => `op-${n}`);
    const bench = await projectOf(...operators);
    await bench.submit({ policy: { agree: 1, of: 1 } });
    const { share, seed } = bench.offer.draw;
    expect(share).toBe(Math.floor(fullShare / 3));
    const last = byDraw(bench, ...operators).at(-1) ?? '';
    expect(drawOf(last, seed)).toBeGreaterThan(share);
    expect(code(bench, await bench.claim(last))).toBe('CLAIM_ABOVE_SHARE');
    bench.drive(2 * timings.widenMs);
    expect(code(bench, await bench.claim(last))).not.toBe('CLAIM_ABOVE_SHARE');
  });
});

describe('a claim', () => {
  it('of an operator enrolled after the offer is refused', async () => {
    const bench = await projectOf('ada');
    await bench.submit();
    await bench.enrol('late');
    expect(code(bench, await bench.claim('late'))).toBe('CLAIM_TOO_NEW');
  });

  it('for another controller, or out of date, is refused', async () => {
    const bench = await projectOf('ada', 'bob');
    await bench.submit();
    expect(code(bench, await bench.claim('ada', { aud: bench.id('eve') }))).toBe('CLAIM_AUDIENCE_MISMATCH');
    const exp = bench.now / 1000 - limits.clockSkewSeconds - 1;
    expect(code(bench, await bench.claim('ada', { exp }))).toBe('DOC_EXPIRED');
  });

  it('under the grant of somebody else is refused', async () => {
    const bench = await projectOf('ada', 'bob');
    await bench.submit();
    expect(code(bench, await bench.claim('bob', { grant: 'ada' }))).toBe('GRANT_KEY_MISMATCH');
  });

  it('of a machine that is too small, or of a publisher, is refused', async () => {
    const bench = await projectOf('ada');
    await bench.submit();
    const small = { ...capabilities, memoryBytes: 1 };
    expect(code(bench, await bench.claim('ada', { capabilities: small }))).toBe('CLAIM_UNFIT');
    expect(code(bench, await bench.claim('publisher'))).toBe('GRANT_ROLE_MISMATCH');
  });

  it('of a second machine of an operator that has a slot is refused', async () => {
    const bench = await projectOf();
    await bench.enrol('ada-1', { operator: 'ada', hosts: 2 });
    await bench.enrol('ada-2', { operator: 'ada', hosts: 2 });
    await bench.submit();
    await bench.lease('ada-1');
    expect(code(bench, await bench.claim('ada-2'))).toBe('CLAIM_HAS_SLOT');
  });

  it('of a worker that holds a lease gets the same lease again: the answer may have been lost', async () => {
    const bench = await projectOf('ada', 'bob');
    const run = await bench.submit();
    const { ada } = Object.fromEntries(await bench.lease('ada'));
    expect(bench.lastReply(await bench.claim('ada'))).toMatchObject({
      kind: 'lease',
      run,
      lease: ada?.payload,
    });
    expect(bench.run(run).rounds[0]?.leasesGiven).toEqual([1, 0, 0]);
  });

  it('does not keep a lease whose worker is never heard on it', async () => {
    const bench = await projectOf('ada');
    const run = await bench.submit();
    await bench.lease('ada');
    bench.drive(timings.leaseSilenceMs - 1);
    await bench.claim('ada');
    bench.drive(1);
    expect(bench.progress(run, 'lost')).toHaveLength(1);
  });

  it('of a worker that restarted keeps the lease that it is given again, until its first heartbeat is due', async () => {
    const { bench, run, leases } = await leasedRound();
    const others = [...leases].filter(([key]) => key !== 'ada');
    bench.beat(leases);
    bench.send({ kind: 'detached', worker: bench.id('ada'), lease: leases.get('ada')?.id ?? '' });
    bench.drive(timings.detachGraceMs - 1);
    bench.beat(others);
    expect(bench.lastReply(await bench.claim('ada'))).toMatchObject({ kind: 'lease' });
    bench.drive(timings.detachGraceMs);
    expect(bench.progress(run, 'lost')).toEqual([]);
  });

  it('of two machines of one operator in one window gets one lease', async () => {
    const bench = await projectOf('bob');
    await bench.enrol('ada-1', { operator: 'ada', hosts: 2 });
    await bench.enrol('ada-2', { operator: 'ada', hosts: 2 });
    await bench.submit();
    const leases = await bench.lease('ada-1', 'ada-2', 'bob');
    expect([...leases.values()].map(({ payload }) => payload.operator).sort()).toEqual(['ada', 'bob']);
  });

  it('of a second machine of an operator gets no slot that the first one lost', async () => {
    const bench = await projectOf();
    await bench.enrol('ada-1', { operator: 'ada', hosts: 2 });
    await bench.enrol('ada-2', { operator: 'ada', hosts: 2 });
    const run = await bench.submit();
    await bench.lease('ada-1', 'ada-2');
    bench.drive(timings.leaseSilenceMs);
    expect(bench.progress(run, 'lost')).toHaveLength(1);
    expect(bench.progress(run, 'leased')).toHaveLength(1);
  });

  it('after the round was revealed is refused', async () => {
    // The offer of a round may stand for the trusted worker after that.
    for (const taken of [['trusted'], []]) {
      const bench = await projectOf('ada', 'bob', 'cy', 'dan');
      await bench.submit();
      const leases = await bench.lease('ada', 'bob', 'cy');
      await bench.lease(...taken);
      await deliverAll(bench, leases, []);
      for (const over of [{}, { pass: 'busy' }])
        expect(code(bench, await bench.claim('dan', over))).toBe('OFFER_CLOSED');
      // Control: the trusted worker has its slot, or gets it.
      expect(code(bench, await bench.claim('trusted'))).toBe(taken.length > 0 ? 'OFFER_CLOSED' : 'lease');
    }
  });
});

describe('a lease', () => {
  it('carries a fence that only grows, also over a restart', async () => {
    const { bench, leases } = await leasedRound({}, 'dan');
    const fences = [...leases.values()].map(({ payload }) => payload.fence.n).sort();
    expect(fences).toEqual([1, 2, 3]);
    await bench.restart();
    bench.drive(timings.detachGraceMs);
    const next = (await bench.lease('dan')).get('dan');
    expect(next?.payload.fence).toEqual({ epoch: 2, n: 1 });
  });

  it('without a heartbeat is lost, and its slot goes to whoever stands by', async () => {
    const bench = await projectOf('ada', 'bob', 'cy', 'dan');
    const run = await bench.submit();
    const leases = await bench.lease('ada', 'bob', 'cy', 'dan');
    const standby = ['ada', 'bob', 'cy', 'dan'].find((key) => !leases.has(key)) ?? '';
    const [silent = ''] = leases.keys();
    bench.drive(timings.leaseSilenceMs - 1);
    bench.beat([...leases].filter(([key]) => key !== silent));
    bench.drive(1);
    expect(bench.progress(run, 'lost')).toMatchObject([{ operator: silent }]);
    expect(bench.progress(run, 'leased').at(-1)).toMatchObject({ operator: standby });
    expect(bench.all('release')).toMatchObject([{ worker: bench.id(silent), code: 'LEASE_LOST' }]);
  });

  it('is kept for a while after its stream broke, and for good when its worker comes back', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    const ada = leases.get('ada');
    leases.delete('ada');
    const beat = () => bench.beat(trusted === undefined ? leases : [...leases, ['trusted', trusted]]);
    if (ada === undefined) throw new Error('ada has a lease');
    bench.send({ kind: 'detached', worker: bench.id('ada'), lease: ada.id });
    bench.drive(timings.detachGraceMs - 1);
    bench.resume('ada', ada);
    beat();
    bench.drive(timings.detachGraceMs);
    expect(bench.progress(run, 'lost')).toEqual([]);
    beat();
    bench.send({ kind: 'detached', worker: bench.id('ada'), lease: ada.id });
    bench.drive(timings.detachGraceMs);
    expect(bench.progress(run, 'lost')).toMatchObject([{ operator: 'ada' }]);
  });

  it('ends when its time is up, heartbeats or not', async () => {
    const { bench, run, leases } = await leasedRound();
    const ada = leases.get('ada');
    const beat = () => bench.send({ kind: 'heartbeat', worker: bench.id('ada'), lease: ada?.id ?? '' });
    while (bench.now < (ada?.payload.exp ?? 0) * 1000 - timings.leaseSilenceMs) {
      beat();
      bench.drive(timings.leaseSilenceMs / 2);
    }
    expect(bench.progress(run, 'lost').some(({ operator }) => operator === 'ada')).toBe(false);
    beat();
    bench.drive(timings.leaseSilenceMs);
    expect(bench.progress(run, 'lost').find(({ operator }) => operator === 'ada')?.reason).toBe(
      'its time is up',
    );
  });

  it('of a slot is given a bounded number of times', async () => {
    const operators = ['ada', 'bob', 'cy', 'dan'];
    expect(operators).toHaveLength(limits.slotLeasesMax);
    const bench = await projectOf(...operators, 'eve');
    const run = await bench.submit({ policy: { agree: 1, of: 1, rounds: 1 } });
    for (const operator of operators) {
      expect((await bench.lease(operator)).has(operator)).toBe(true);
      bench.drive(timings.leaseSilenceMs);
    }
    expect(bench.progress(run, 'unfilled')).toMatchObject([{ slots: 1 }]);
  });

  it('of a slot that is aborted again and again is given as often, and no more', async () => {
    const operators = ['ada', 'bob', 'cy', 'dan', 'eve', 'flo', 'gus'];
    const bench = await projectOf(...operators);
    const run = await bench.submit({ policy: { agree: 1, of: 1, rounds: 1 } });
    const tokens = new Map<string, string>();
    for (const key of operators) tokens.set(key, await bench.claim(key));
    for (let n = 0; n < operators.length; n++) {
      const holder = bench.progress(run, 'leased').at(-1);
      const key = holder?.operator ?? '';
      const reply = bench.lastReply(tokens.get(key) ?? '');
      if (reply.kind !== 'lease' || bench.run(run).phase.kind === 'done') break;
      await bench.deliver(key, await bench.signed(reply.lease), aborted);
    }
    expect(bench.run(run).receipts).toHaveLength(limits.slotLeasesMax);
    expect(bench.result(run).level).toBe('unfinished');
  });
});

describe('slots nobody takes', () => {
  it('are given up after a while; the others count', async () => {
    const bench = await projectOf('ada', 'bob');
    const run = await bench.submit({ policy: { cosign: 'none' } });
    const leases = await bench.lease('ada', 'bob');
    for (const key of ['ada', 'bob']) await bench.deliver(key, leases.get(key), built);
    expect(bench.progress(run, 'revealed')).toEqual([]);
    bench.drive(timings.windowMs + timings.slotFillMs);
    expect(bench.progress(run, 'unfilled')).toMatchObject([{ slots: 1 }]);
    expect(bench.progress(run, 'agreed')).toMatchObject([{ by: ['ada', 'bob'] }]);
  });

  it('wait for as long again when a lease is lost late', async () => {
    const { bench, run } = await leasedRound({ policy: { cosign: 'none' } });
    bench.drive(timings.leaseSilenceMs);
    bench.drive(timings.slotFillMs - 1);
    expect(bench.progress(run, 'unfilled')).toEqual([]);
    bench.drive(1);
    expect(bench.progress(run, 'unfilled')).toMatchObject([{ slots: 3 }]);
  });
});

describe('a grant that ends while its claim waits', () => {
  it('gets no lease, under which a receipt would not count; the worker is told, and claims again with a new one', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const charter = await bench.paper.charter();
    bench.send({ kind: 'started', charter, timings: { ...timings, grantMs: 10_000 } });
    await bench.members('dan');
    await bench.submit();
    const leases = await bench.lease('ada', 'bob', 'cy');
    const waiting = await bench.claim('dan');
    expect(bench.lastReply(waiting).kind).toBe('reserve');
    const ended = (bench.grantOf('dan').payload.exp + limits.clockSkewSeconds + 1) * 1000;
    for (; bench.now < ended; bench.drive(timings.leaseSilenceMs / 2)) bench.beat(leases);
    bench.drive(timings.leaseSilenceMs);
    expect(bench.lastReply(waiting)).toMatchObject({ kind: 'error', code: 'DOC_EXPIRED' });
    await bench.members('dan');
    const again = await bench.claim('dan');
    expect(bench.lastReply(again).kind).toBe('lease');
  });
});
