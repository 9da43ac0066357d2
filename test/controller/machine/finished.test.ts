import { describe, expect, it } from 'vitest';
import { snapshot } from '../../../simulations/snapshot.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import { publishedParts } from '../../../src/controller/machine/queries/draft.ts';
import { summaries } from '../../../src/controller/machine/queries/summary.ts';
import { type Bench, built, deliverAll, leasedRound, other, timings } from './bench.ts';

/** A run of two of three that is trusted; each receipt lists so many files. */
async function trustedRun(filesCount = 1) {
  const round = await leasedRound();
  const { bench, run, leases, trusted } = round;
  const files = Array.from({ length: filesCount }, (_, n) => ({
    path: `share/some/folder/file-${String(n).padStart(5, '0')}`,
    sha256: String(n).padStart(64, '0'),
  }));
  for (const [key, lease] of leases) await bench.deliver(key, lease, built, { files });
  bench.pinned(run);
  await bench.deliver('trusted', trusted, built, { files });
  bench.cosign(run);
  expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
  return round;
}

const sizeOf = ({ controller }: Bench) => snapshot(controller.state).length;

describe('a run that is over', () => {
  it('holds its documents until its bundle is stored, and no longer', async () => {
    const { bench, run } = await trustedRun();
    const { state } = bench.controller;
    const listed = summaries(state, 10);
    expect(publishedParts(state, run)).toBeDefined();
    bench.send({ kind: 'stored', run, verdict: 'another one' });
    expect([bench.durability, state.runs.size]).toEqual(['none', 1]);
    bench.store(run);
    expect([bench.durability, state.runs.size, state.unstored.size]).toEqual(['lazy', 0, 0]);
    expect(snapshot(state)).not.toContain('quorate_receipt');
    expect(publishedParts(state, run)).toBeUndefined();
    expect(summaries(state, 10)).toEqual(listed);
  });

  it('takes as much room whatever its receipts list', async () => {
    const [few, many] = [await trustedRun(1), await trustedRun(2_000)];
    expect(sizeOf(many.bench)).toBeGreaterThan(5 * sizeOf(few.bench));
    for (const { bench, run } of [few, many]) bench.store(run);
    // But for a digit: a number says how much they took in the bundle.
    expect(sizeOf(many.bench) - sizeOf(few.bench)).toBeLessThan(4);
    // Of that, 4 KB are members and their charter.
    expect(sizeOf(many.bench)).toBeLessThan(16_000);
  });

  it('holds none where it is cancelled, or nobody built it: there is nothing to prove', async () => {
    const { bench, run } = await leasedRound();
    bench.send({ kind: 'cancel', token: 'c', which: run, by: bench.id('publisher'), reason: 'wrong branch' });
    expect(bench.controller.state.runs.size).toBe(0);
    const nobody = await bench.submit({ name: 'lib', policy: { rounds: 1 } });
    bench.drive(timings.windowMs + timings.slotFillMs);
    expect(bench.result(nobody)).toMatchObject({ level: 'unfinished', ending: 'not-built' });
    expect([bench.controller.state.runs.size, bench.controller.state.unstored.size]).toEqual([0, 0]);
  });

  it('that is cancelled after it was agreed on holds them until that verdict is stored', async () => {
    const { bench, run, leases } = await leasedRound();
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    bench.send({ kind: 'cancel', token: 'c', which: run, by: bench.id('publisher'), reason: 'wrong branch' });
    expect(publishedParts(bench.controller.state, run)).toBeDefined();
    bench.store(run);
    expect(bench.controller.state.runs.size).toBe(0);
    expect(bench.result(run)).toMatchObject({ level: 'agreed', state: 'cancelled' });
  });

  it('answers a worker that did not get its ack as before', async () => {
    const { bench, run, leases, trusted } = await trustedRun();
    const ada = leases.get('ada');
    if (ada === undefined || trusted === undefined) throw new Error('they have leases');
    const before = [bench.resume('ada', ada), bench.resume('trusted', trusted)].flat();
    const acked = await bench.deliver('ada', ada);
    bench.store(run);
    const after = [bench.resume('ada', ada), bench.resume('trusted', trusted)].flat();
    const kinds = ['reply', 'reply', 'reveal', 'reply', 'reply', 'reveal'];
    expect(after.map(({ kind }) => kind)).toEqual(kinds);
    const untimed = (effects: object[]) => JSON.stringify(effects).replaceAll(/"token":"[^"]*"/g, '');
    expect(untimed(after)).toBe(untimed(before));
    expect(await bench.deliver('ada', ada)).toEqual(acked);
    expect(await bench.deliver('ada', ada, other)).toMatchObject({ code: 'RECEIPT_SECOND' });
  });
});

describe('an agreement that waits for the trusted worker', () => {
  it('holds its documents when its bundle is stored', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    bench.store(run);
    expect(bench.controller.state.unstored.size).toBe(0);
    await bench.deliver('trusted', trusted);
    bench.cosign(run);
    expect(publishedParts(bench.controller.state, run)?.receipts).toHaveLength(4);
  });
});

describe('a start', () => {
  it('comes to the same state, with the documents of what may not be stored yet alone', async () => {
    const { bench, run } = await trustedRun();
    const unstored = snapshot(bench.controller.state);
    bench.replay();
    expect(snapshot(bench.controller.state)).toBe(unstored);
    bench.store(run);
    const stored = snapshot(bench.controller.state);
    bench.replay();
    expect(snapshot(bench.controller.state)).toBe(stored);
    expect(bench.controller.state.runs.size).toBe(0);
  });

  it('comes to the same state without a bundle that was stored, and has the documents that it is made of', async () => {
    const { bench, run } = await trustedRun();
    const draft = publishedParts(bench.controller.state, run);
    bench.store(run);
    const stored = snapshot(bench.controller.state);
    bench.replay(new Set());
    expect(snapshot(bench.controller.state)).toBe(stored);
    expect(bench.lost.runs).toEqual([run]);
    expect(await bench.lost.draft(run)).toEqual(draft);
    const effects = await bench.start({ epoch: 2 });
    expect(effects.filter(({ kind }) => kind === 'verdict')).toEqual([]);
    bench.lost.made(run);
    expect(await bench.lost.draft(run)).toBeUndefined();
    // With other bytes it is stored twice, as the journal says, and no event of it is one that would not be written.
    bench.store(run);
    expect([bench.durability, bench.controller.state.runs.size]).toEqual(['lazy', 0]);
    const { controller, idp } = bench.paper;
    const again = new Controller(controller.id, idp.id);
    for (const { event, now } of bench.journal) expect(again.handle(event, now).durability).not.toBe('none');
  });
});
