import { describe, expect, it } from 'vitest';
import { snapshot } from '../../../simulations/snapshot.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import type { Lease, Verified } from '../../../src/protocol/documents/index.ts';
import { B, built, leasedRound, other, projectOf, timings } from './bench.ts';
import { cosign, verified } from './evidence.ts';

type Setup = Awaited<ReturnType<typeof leasedRound>>;

async function deliverAll({ bench, leases }: Setup) {
  for (const [key, lease] of leases) await bench.deliver(key, lease);
}

function held(lease: Verified<Lease> | undefined): Verified<Lease> {
  if (lease === undefined) throw new Error('a lease was given');
  return lease;
}

describe('a restart', () => {
  it('brings the state back exactly as it was', async () => {
    const setup = await leasedRound({}, 'dan', 'eve');
    const { bench, run, trusted } = setup;
    await deliverAll(setup);
    bench.pinned(run);
    await bench.deliver('trusted', trusted, other);
    const before = snapshot(bench.controller.state);
    bench.replay();
    expect(snapshot(bench.controller.state)).toBe(before);
  });

  it('with a claim window open opens it again for as long, and offers again', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    await bench.submit();
    const lost = await bench.claim('ada');
    bench.drive(timings.windowMs - 1);
    const effects = await bench.restart();
    expect(effects.map(({ kind }) => kind)).toEqual(['offer']);
    const again = await bench.claim('ada');
    bench.drive(timings.windowMs - 1);
    expect(bench.lastReply(again).kind).toBe('standby');
    bench.drive(1);
    expect(bench.lastReply(again).kind).toBe('lease');
    expect(bench.lastReply(lost).kind).toBe('standby');
  });

  it('keeps leases for workers that come back, and gives up on the others', async () => {
    const { bench, run, leases } = await leasedRound();
    await bench.restart();
    const ada = held(leases.get('ada'));
    expect(bench.resume('ada', ada)).toMatchObject([{ reply: { kind: 'lease' } }]);
    bench.drive(timings.detachGraceMs);
    expect(
      bench
        .progress(run, 'lost')
        .map(({ operator }) => operator)
        .sort(),
    ).toEqual(['bob', 'cy', 'trusted']);
    expect(await bench.deliver('ada', ada)).toMatchObject({ kind: 'ack' });
  });

  it('under a clock that is right again gives up what waits for the time of the wrong one', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const right = bench.now;
    bench.now += 365 * 24 * 3600_000;
    await bench.start();
    for (const key of ['ada', 'bob', 'cy', 'publisher'])
      await bench.enrol(key, key === 'publisher' ? { role: 'publisher' } : {});
    const run = await bench.submit();
    bench.now = right;
    await bench.restart();
    expect(bench.progress(run, 'cancelled')).toMatchObject([
      { reason: expect.stringContaining('VERDICT_NOT_IN_TIME') },
    ]);
    expect(bench.controller.nextDeadline()).toBeUndefined();
    for (const key of ['ada', 'bob', 'cy', 'publisher'])
      await bench.enrol(key, key === 'publisher' ? { role: 'publisher' } : {});
    const next = await bench.submit({ name: 'next' });
    expect((await bench.lease('ada', 'bob', 'cy')).size).toBe(3);
    expect(bench.result(next).state).toBe('building');
  });

  it.each(['none', 'required'] as const)(
    'and so does a round that was open an hour ahead, which no verdict could hold on: co-signature %s',
    async (asked) => {
      const setup = await leasedRound({ policy: { cosign: asked } });
      const { bench, run, leases } = setup;
      bench.now -= 3600_000;
      await bench.restart();
      expect(bench.result(run)).toMatchObject({ state: 'cancelled', level: null });
      expect(await bench.deliver('ada', leases.get('ada'))).toMatchObject({ code: 'RECEIPT_STALE_FENCE' });
    },
  );

  it('but not a round whose offer is ahead by no more than clocks may differ: its verdict holds', async () => {
    const setup = await leasedRound({ policy: { cosign: 'none' } });
    const { bench, run } = setup;
    bench.now -= limits.clockSkewSeconds * 1000;
    await bench.restart();
    await deliverAll(setup);
    bench.pinned(run);
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
    expect(await verified(bench, run)).toBe('trusted');
  });

  it('and makes a draft again that has a time of later: its co-signature would not hold', async () => {
    const setup = await leasedRound();
    const { bench, run, trusted } = setup;
    await deliverAll(setup);
    bench.pinned(run);
    bench.now += 3600_000;
    await bench.deliver('trusted', trusted);
    bench.now -= 3600_000;
    await bench.restart();
    await cosign(bench, run, 'trusted');
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
    expect(await verified(bench, run)).toBe('trusted');
  });

  it('knows every receipt it acknowledged', async () => {
    const setup = await leasedRound();
    const { bench, leases } = setup;
    const first = await bench.deliver('ada', leases.get('ada'));
    await bench.restart();
    const again = await bench.deliver('ada', leases.get('ada'));
    if (first.kind !== 'ack' || again.kind !== 'ack') throw new Error('not acknowledged');
    expect(again.ack.index).toBe(first.ack.index);
    expect(again.ack.receipt).toBe(first.ack.receipt);
  });

  it('after the reveal tells workers that come back', async () => {
    const setup = await leasedRound();
    await deliverAll(setup);
    await setup.bench.restart();
    const effects = setup.bench.resume('ada', held(setup.leases.get('ada')));
    expect(effects.map(({ kind }) => kind)).toEqual(['reply', 'reply', 'reveal']);
  });

  it('while bytes are fetched fetches them again, once', async () => {
    const setup = await leasedRound();
    const { bench, run } = setup;
    await deliverAll(setup);
    bench.pinned(run, false);
    expect((await bench.restart()).filter(({ kind }) => kind === 'pin')).toHaveLength(1);
    expect(bench.drive(timings.pinRetryMs).filter(({ kind }) => kind === 'pin')).toEqual([]);
    bench.pinned(run);
    expect(bench.result(run).level).toBe('agreed');
  });

  it('while the co-signature is awaited asks again as soon as the trusted worker is back', async () => {
    const setup = await leasedRound();
    const { bench, run, trusted } = setup;
    await deliverAll(setup);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    await bench.restart();
    expect(bench.resume('trusted', held(trusted)).map(({ kind }) => kind)).toEqual([
      'reply',
      'reply',
      'cosign',
    ]);
    bench.cosign(run);
    expect(bench.result(run).level).toBe('trusted');
  });

  it('publishes the verdicts there are again, but none that was contradicted or not signed yet', async () => {
    const setup = await leasedRound({}, 'dan', 'eve');
    const { bench, run, trusted } = setup;
    await deliverAll(setup);
    bench.pinned(run);
    expect((await bench.restart()).filter(({ kind }) => kind === 'verdict')).toHaveLength(1);
    bench.resume('trusted', held(trusted));
    await bench.deliver('trusted', trusted, other);
    const effects = await bench.restart();
    expect(effects.filter(({ kind }) => kind === 'verdict')).toEqual([]);
    expect(JSON.stringify(effects)).not.toContain(B);
  });

  it('after the end lets a worker go whose lease was still open', async () => {
    const { bench, run, leases } = await leasedRound({ seconds: 20 });
    bench.drive(20_000);
    expect(bench.facts(run).phase.kind).toBe('done');
    await bench.restart();
    expect(bench.resume('ada', held(leases.get('ada')))).toMatchObject([{ reply: { code: 'LEASE_LOST' } }]);
    expect(await bench.deliver('ada', leases.get('ada'), built)).toMatchObject({ kind: 'error' });
  });
});
