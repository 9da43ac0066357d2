import { describe, expect, it } from 'vitest';
import { snapshot } from '../../../simulations/snapshot.ts';
import { publishedParts } from '../../../src/controller/machine/queries/draft.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { type Bench, leasedRound, projectOf } from './bench.ts';

/** Cancels as this key; the answer and what else came out. */
function cancel(bench: Bench, which: string, by = 'publisher') {
  const token = bench.token('cancel');
  const effects = bench.send({ kind: 'cancel', token, which, by: bench.id(by), reason: 'wrong branch' });
  return { reply: bench.lastReply(token), effects };
}

const released = (effects: ReturnType<Bench['send']>) =>
  effects.flatMap((effect) =>
    effect.kind === 'release' && effect.code === 'RUN_CANCELLED' ? [effect.worker] : [],
  );

describe('a run that its publisher cancels', () => {
  it('lets go of every lease, closes the offer, and has no verdict', async () => {
    const { bench, run, leases } = await leasedRound();
    const { reply, effects } = cancel(bench, run);
    expect(reply).toEqual({ kind: 'cancelled', run });
    expect(released(effects).sort()).toEqual(
      ['ada', 'bob', 'cy', 'trusted'].map((key) => bench.id(key)).sort(),
    );
    expect(effects.filter(({ kind }) => kind === 'unoffer')).toHaveLength(1);
    expect(effects.filter(({ kind }) => kind === 'verdict' || kind === 'reveal')).toEqual([]);
    expect(bench.progress(run, 'cancelled')).toEqual([{ kind: 'cancelled', reason: 'wrong branch' }]);
    expect(bench.progress(run, 'verdict')).toEqual([]);
    expect(summaryOf(bench.controller.state, bench.facts(run))).toMatchObject({
      state: 'cancelled',
      level: null,
      artifact: null,
    });
    expect(bench.controller.state.leases.size).toBe(0);
    expect(bench.controller.nextDeadline()).toBeUndefined();
    expect(await bench.deliver('ada', leases.get('ada'))).toMatchObject({ code: 'RECEIPT_STALE_FENCE' });
  });

  it('tells those who wait for a slot', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const run = await bench.submit();
    const waiting = await bench.claim('ada');
    cancel(bench, run.slice(0, 8));
    expect(bench.lastReply(waiting)).toMatchObject({ kind: 'error', code: 'OFFER_CLOSED' });
    const late = await bench.claim('bob');
    expect(bench.lastReply(late)).toMatchObject({ kind: 'error', code: 'OFFER_CLOSED' });
  });

  it('keeps what was delivered sealed, also from workers that come back later', async () => {
    const { bench, run, leases } = await leasedRound();
    await bench.deliver('ada', leases.get('ada'));
    expect(released(cancel(bench, run).effects)).toContain(bench.id('ada'));
    expect(bench.all('keep')).toEqual([]);
    const ada = leases.get('ada');
    if (ada === undefined) throw new Error('ada has a lease');
    expect(released(bench.resume('ada', ada))).toEqual([bench.id('ada')]);
    const again = bench.effects.length;
    expect(await bench.deliver('ada', ada)).toMatchObject({ kind: 'ack' });
    expect(released(bench.effects.slice(again))).toEqual([bench.id('ada')]);
    expect(bench.all('reveal')).toEqual([]);
  });

  it('while a co-signature is awaited never has the verdict that was drafted', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    for (const [key, lease] of leases) await bench.deliver(key, lease);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    expect(bench.run(run).phase.kind).toBe('cosigning');
    expect(released(cancel(bench, run).effects)).toEqual([bench.id('trusted')]);
    bench.cosign(run);
    expect(bench.facts(run).phase).toMatchObject({ kind: 'cancelled', reason: 'wrong branch' });
    // The result that was agreed before is out, and is all there is after a restart.
    expect((await bench.restart()).map(({ kind }) => kind)).toEqual(['verdict']);
    const draft = publishedParts(bench.controller.state, run);
    expect(draft?.verdict.predicate.quorate_verdict.level).toBe('agreed');
    expect(draft?.endorsement).toEqual({ kind: 'none' });
  });

  it('once agreed stays agreed, and is not taken further', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    for (const [key, lease] of leases) await bench.deliver(key, lease);
    bench.pinned(run);
    cancel(bench, run);
    expect(summaryOf(bench.controller.state, bench.facts(run))).toMatchObject({
      state: 'cancelled',
      level: 'agreed',
    });
    expect(await bench.deliver('trusted', trusted)).toMatchObject({ code: 'RECEIPT_STALE_FENCE' });
  });

  it('comes back from the journal as it was', async () => {
    const { bench, run } = await leasedRound();
    cancel(bench, run);
    const before = snapshot(bench.controller.state);
    bench.replay();
    expect(snapshot(bench.controller.state)).toBe(before);
    expect(await bench.restart()).toEqual([]);
  });
});

describe('a run is not cancelled', () => {
  it('by anybody else, and nothing changes', async () => {
    const { bench, run } = await leasedRound();
    await bench.enrol('rival', { role: 'publisher' });
    const before = snapshot(bench.controller.state);
    for (const key of ['ada', 'trusted', 'rival']) {
      const { reply, effects } = cancel(bench, run, key);
      expect(reply).toMatchObject({ kind: 'error', code: 'CANCEL_PUBLISHER_MISMATCH' });
      expect(effects).toHaveLength(1);
    }
    expect(snapshot(bench.controller.state)).toBe(before);
  });

  it('twice, nor once it is over, nor when there is none', async () => {
    const { bench, run } = await leasedRound();
    expect(cancel(bench, 'f'.repeat(64)).reply).toMatchObject({ code: 'JOB_UNKNOWN' });
    cancel(bench, run);
    expect(cancel(bench, run).reply).toMatchObject({ code: 'RUN_OVER' });
    const other = await bench.submit({ name: 'other', seconds: 60 });
    bench.drive(120_000);
    expect(bench.facts(other).phase.kind).toBe('done');
    expect(cancel(bench, other).reply).toMatchObject({ code: 'RUN_OVER' });
  });
});
