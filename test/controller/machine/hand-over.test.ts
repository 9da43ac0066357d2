import { describe, expect, it } from 'vitest';
import { controllerLimits } from '../../../src/controller/machine/limits.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { type Bench, built, deliverAll, projectOf, timings } from './bench.ts';

const { cosignAbsentMsMax, cosignAnswerMsMax, cosignEndedMs, passedOverMs } = controllerLimits;

/** A run that waits for the signature of `trusted`; `second` is a trusted worker, too. */
async function waiting() {
  const bench = await projectOf('ada', 'bob', 'cy', 'trusted');
  const trusted = [bench.id('trusted'), bench.id('second')];
  bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, trusted }) });
  await bench.enrol('second', { role: 'trusted-worker', operator: 'second' });
  const run = await bench.submit();
  const leases = await bench.lease('ada', 'bob', 'cy', 'trusted');
  const lease = leases.get('trusted');
  await bench.deliver('trusted', lease);
  await deliverAll(bench, leases, []);
  bench.pinned(run);
  expect(bench.run(run).phase.kind).toBe('cosigning');
  return { bench, run, lease: lease?.id ?? '', held: lease ?? expect.fail('a lease') };
}

const detach = (bench: Bench, lease: string, key = 'trusted') =>
  bench.send({ kind: 'detached', worker: bench.id(key), lease });

describe('a trusted worker whose signature is waited for', () => {
  it('and who is gone makes room for another one that is there, who builds and signs', async () => {
    const { bench, run, lease } = await waiting();
    bench.present('second');
    detach(bench, lease);
    bench.drive(cosignAbsentMsMax - 1);
    expect(bench.progress(run, 'lost')).toEqual([]);
    bench.drive(1);
    expect(bench.progress(run, 'lost')).toMatchObject([
      { slot: 'trusted', reason: 'the worker is gone, and another trusted worker is there' },
    ]);
    expect(bench.result(run)).toMatchObject({ level: null, state: 'awaiting-trusted' });
    const again = (await bench.lease('second')).get('second');
    await bench.deliver('second', again);
    bench.pinned(run);
    bench.cosign(run, 'second');
    expect(bench.result(run)).toMatchObject({ level: 'trusted', outcome: built, state: 'done' });
  });

  it('and who was gone when it made room is let go as it resumes', async () => {
    const { bench, lease, held } = await waiting();
    const kinds = () => bench.resume('trusted', held).map(({ kind }) => kind);
    expect(kinds()).toEqual(['reply', 'reply', 'cosign']);
    bench.present('second');
    detach(bench, lease);
    bench.drive(cosignAbsentMsMax);
    expect(kinds()).toEqual(['reply', 'reply', 'release']);
  });

  it('and who made room for one that does not build leaves what N operators agree on when the request ends', async () => {
    const { bench, run, lease } = await waiting();
    bench.present('second');
    detach(bench, lease);
    bench.drive(cosignAbsentMsMax);
    expect(bench.result(run)).toMatchObject({ level: null, state: 'awaiting-trusted' });
    bench.drive(bench.run(run).request.payload.exp * 1000 - bench.now);
    expect(bench.result(run)).toMatchObject({ level: 'agreed', outcome: built, state: 'done' });
  });

  it('is waited for while no other one is there, and its own return ends that', async () => {
    const { bench, run, lease } = await waiting();
    detach(bench, lease);
    bench.send({ kind: 'absent', worker: bench.id('trusted') });
    bench.drive(2 * cosignAnswerMsMax);
    expect(bench.progress(run, 'lost')).toEqual([]);
    bench.present('second');
    // Another role, and a key that the charter does not name, are no others.
    bench.send({ kind: 'absent', worker: bench.id('second') });
    bench.present('ada');
    bench.drive(2 * cosignAnswerMsMax);
    expect(bench.progress(run, 'lost')).toEqual([]);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted' });
  });

  it('and who is there without its lease builds again: the journal was an older copy', async () => {
    const { bench, run, lease } = await waiting();
    await bench.restart();
    bench.drive(2 * cosignAnswerMsMax);
    expect(bench.progress(run, 'lost')).toEqual([]);
    bench.present('trusted');
    bench.drive(cosignEndedMs - 1);
    bench.present('trusted');
    expect(bench.progress(run, 'lost')).toEqual([]);
    bench.drive(1);
    expect(bench.progress(run, 'lost')).toMatchObject([
      { slot: 'trusted', reason: 'the worker is there, and does not resume its lease' },
    ]);
    const again = (await bench.lease('trusted')).get('trusted');
    expect(again?.id).not.toBe(lease);
    await bench.deliver('trusted', again);
    bench.pinned(run);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', outcome: built, state: 'done' });
  });

  it('and who is there while its stream cannot come back keeps its lease, as it holds it', async () => {
    const { bench, run, lease, held } = await waiting();
    bench.drive(1_000);
    bench.send({ kind: 'heartbeat', worker: bench.id('trusted'), lease });
    detach(bench, lease);
    bench.drive(2 * cosignEndedMs);
    // Nor is it another one's fault that a stream breaks after the start.
    await bench.restart();
    bench.drive(1_000);
    bench.present('trusted');
    bench.drive(1_000);
    bench.resume('trusted', held);
    detach(bench, lease);
    bench.drive(2 * cosignEndedMs);
    // Its connection breaks, and only the feed is there again.
    bench.send({ kind: 'absent', worker: bench.id('trusted') });
    bench.present('trusted');
    bench.drive(2 * cosignEndedMs);
    expect(bench.progress(run, 'lost')).toEqual([]);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted' });
  });

  it('and who is there with an empty home builds again, later than a stream may be broken', async () => {
    const { bench, run, lease } = await waiting();
    bench.drive(1_000);
    bench.send({ kind: 'heartbeat', worker: bench.id('trusted'), lease });
    detach(bench, lease);
    bench.send({ kind: 'absent', worker: bench.id('trusted') });
    bench.present('trusted');
    bench.drive(cosignAnswerMsMax - 1);
    expect(bench.progress(run, 'lost')).toEqual([]);
    bench.drive(1);
    expect(bench.progress(run, 'lost')).toMatchObject([{ slot: 'trusted' }]);
    await bench.deliver('trusted', (await bench.lease('trusted')).get('trusted'));
    bench.pinned(run);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted' });
  });

  it('and whose connection breaks after a start has the time again to resume its lease', async () => {
    const { bench, run, held } = await waiting();
    await bench.restart();
    for (let n = 0; n < 5; n++) {
      bench.send({ kind: 'absent', worker: bench.id('trusted') });
      bench.drive(1_000);
      bench.present('trusted');
      bench.drive(cosignEndedMs - 1);
    }
    expect(bench.progress(run, 'lost')).toEqual([]);
    bench.resume('trusted', held);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted' });
  });

  it('and who cannot check makes room after a time', async () => {
    const { bench, run, lease } = await waiting();
    bench.present('second');
    const beats = (ms: number) => {
      for (let past = 0; past < ms; past += 10_000) {
        bench.send({ kind: 'heartbeat', worker: bench.id('trusted'), lease });
        bench.drive(10_000);
      }
    };
    bench.send({
      kind: 'cosign-refused',
      run,
      worker: bench.id('trusted'),
      code: 'ENOSPC',
      message: 'no space left',
    });
    expect(bench.progress(run, 'cosign-delayed')).toHaveLength(1);
    beats(cosignAnswerMsMax - 20_000);
    expect(bench.progress(run, 'lost')).toEqual([]);
    beats(30_000);
    expect(bench.progress(run, 'lost')).toMatchObject([{ reason: expect.stringContaining('did not sign') }]);
    // It does not take its slot from the other one at once.
    expect(bench.lastReply(await bench.claim('trusted'))).toMatchObject({ code: 'OFFER_CLOSED' });
    bench.drive(passedOverMs);
    expect(bench.lastReply(await bench.claim('trusted'))).toMatchObject({ kind: 'lease' });
  });

  it('makes room as often as the slot may be leased, over restarts too', async () => {
    const { bench, run, lease } = await waiting();
    let held = { key: 'trusted', lease };
    for (let n = 1; n < limits.slotLeasesMax; n++) {
      await bench.restart();
      const next = held.key === 'trusted' ? 'second' : 'trusted';
      bench.present(next);
      bench.drive(cosignAbsentMsMax);
      expect(bench.progress(run, 'lost')).toHaveLength(n);
      const given = (await bench.lease(next)).get(next);
      await bench.deliver(next, given);
      bench.pinned(run);
      held = { key: next, lease: given?.id ?? '' };
      expect(bench.run(run).phase.kind).toBe('cosigning');
    }
    bench.present('trusted', 'second');
    detach(bench, held.lease, held.key);
    bench.drive(cosignAnswerMsMax + timings.leaseSilenceMs);
    expect(bench.progress(run, 'lost')).toHaveLength(limits.slotLeasesMax - 1);
    bench.cosign(run, held.key);
    expect(bench.result(run)).toMatchObject({ level: 'trusted' });
  });
});

describe('a refusal', () => {
  const refusal = (bench: Bench, run: string, over: { worker?: string; verdict?: string } = {}) => {
    const { worker = bench.id('trusted') } = over;
    const refused = { kind: 'cosign-refused', run, ...over, worker } as const;
    return bench.send({ ...refused, code: 'COSIGN_RESULT_MISMATCH', message: 'no' });
  };

  it.each([
    [3, 'cosigning'],
    [4, 'done'],
  ])('after %i leases of the slot leaves the run %s: it may be leased four times', async (leases, kind) => {
    const { bench, run } = await waiting();
    bench.present('second');
    bench.run(run).trustedLeases = leases;
    refusal(bench, run);
    expect(bench.facts(run).phase.kind).toBe(kind);
  });

  it('counts once, of the worker that was asked and for the draft that it was shown', async () => {
    const { bench, run } = await waiting();
    bench.present('second');
    refusal(bench, run, { worker: bench.id('ada') });
    expect(bench.durability).toBe('none');
    refusal(bench, run, { verdict: 'a'.repeat(64) });
    expect(bench.durability).toBe('none');
    refusal(bench, run);
    expect(bench.durability).toBe('lazy');
    refusal(bench, run);
    expect(bench.durability).toBe('none');
    expect(bench.progress(run, 'cosign-refused')).toHaveLength(1);
    bench.send({ kind: 'hand-over', lease: 'another', reason: '' });
    expect(bench.durability).toBe('none');
  });

  it.each([
    'ENOSPC',
    'EACCES',
    'ERR_FS_FILE_TOO_LARGE',
    'HOME_UNREADABLE',
    'STORE_DISK_FULL',
    'MESH_RESET',
    'INTERNAL',
  ])('for %s passes, which is of the host that checks', async (code) => {
    const { bench, run } = await waiting();
    bench.send({ kind: 'cosign-refused', run, worker: bench.id('trusted'), code, message: 'no' });
    expect(bench.run(run).phase.kind).toBe('cosigning');
  });

  it.each([
    'EVIDENCE_X',
    'LOG_FORKED',
    'COSIGN_RESULT_MISMATCH',
    'EGRESS_NOT_ALLOWED',
    'RECEIPT_LEASE_MISMATCH',
  ])('for %s is for good', async (code) => {
    const { bench, run } = await waiting();
    bench.send({ kind: 'cosign-refused', run, worker: bench.id('trusted'), code, message: 'no' });
    // The other trusted worker is not there.
    bench.drive(cosignAbsentMsMax);
    expect(bench.result(run)).toMatchObject({ level: 'disputed', ending: 'cosign-refused' });
  });
});
