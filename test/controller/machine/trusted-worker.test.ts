import { describe, expect, it } from 'vitest';
import { exited } from '../../../simulations/paperwork.ts';
import { A, aborted, B, built, deliverAll, failed, leasedRound, other, projectOf, timings } from './bench.ts';

describe('the trusted worker', () => {
  it('confirms what was agreed, signs, and only then is it trusted', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    expect(bench.result(run).level).toBe('agreed');
    expect(bench.all('cosign')).toEqual([]);
    await bench.deliver('trusted', trusted);
    expect(bench.all('cosign')).toHaveLength(1);
    expect(bench.result(run).level).toBe('agreed');
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
    expect(bench.progress(run, 'verdict').map(({ level }) => level)).toEqual(['agreed', 'trusted']);
  });

  it('may deliver first: the verdict still waits for the round', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await bench.deliver('trusted', trusted);
    expect(JSON.stringify(bench.effects)).not.toContain(A);
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    bench.cosign(run);
    expect(bench.progress(run, 'verdict').map(({ level }) => level)).toEqual(['trusted']);
  });

  it('contradicts what was agreed: that stands no more, and fresh operators build', async () => {
    const { bench, run, leases, trusted } = await leasedRound({}, 'dan', 'eve');
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    await bench.deliver('trusted', trusted, other);
    expect(bench.progress(run, 'contradicted')).toEqual([
      { kind: 'contradicted', round: 1, artifact: A, trusted: null },
    ]);
    expect(bench.result(run)).toMatchObject({ level: null, verdict: undefined, state: 'building' });
    expect(bench.offer.round).toBe(2);
    expect(bench.lastReply(await bench.claim('ada'))).toMatchObject({ code: 'CLAIM_NOT_FRESH' });
    expect(JSON.stringify(bench.effects)).not.toContain(B);
    expect(bench.progress(run, 'compared')).toEqual([]);
    const second = await bench.lease('dan', 'eve');
    await deliverAll(bench, second, [other, other]);
    bench.drive(timings.windowMs + timings.slotFillMs);
    bench.pinned(run);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', outcome: other });
    expect(bench.progress(run, 'contradicted')).toHaveLength(1);
    const [compared] = bench.progress(run, 'compared');
    expect(
      compared?.results.map(({ round, slot, operator, result }) => [round, slot, operator, result]),
    ).toEqual(
      expect.arrayContaining([
        [1, expect.any(Number), 'ada', A],
        [1, 'trusted', 'trusted', B],
        [2, expect.any(Number), 'dan', B],
      ]),
    );
    expect(compared?.results[0]).toMatchObject({ tier: expect.any(String) });
    expect(bench.all('keep').map(({ root, from }) => [root, from])).toContainEqual([B, bench.id('trusted')]);
  });

  it('confirms what is agreed while one operator dissents: nothing is in dispute', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, [built, built, other]);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
    expect(bench.progress(run, 'compared')).toEqual([]);
  });

  it('contradicts it while the bytes are still being fetched', async () => {
    const { bench, run, leases, trusted } = await leasedRound({}, 'dan', 'eve');
    await deliverAll(bench, leases, []);
    await bench.deliver('trusted', trusted, other);
    bench.pinned(run);
    expect(bench.all('cosign')).toEqual([]);
    expect(bench.progress(run, 'contradicted')).toHaveLength(1);
    expect(bench.offer.round).toBe(2);
  });

  it('is asked again when its lease was lost after the reveal', async () => {
    const { bench, run, leases } = await leasedRound();
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    const offered = bench.all('offer').length;
    bench.drive(timings.leaseSilenceMs);
    expect(bench.all('offer').length).toBe(offered + 1);
    const again = (await bench.lease('trusted')).get('trusted');
    await bench.deliver('trusted', again);
    bench.cosign(run);
    expect(bench.result(run).level).toBe('trusted');
  });

  it('that lost its lease of an earlier round is offered the current one', async () => {
    const { bench, run, leases, trusted } = await leasedRound({}, 'dan', 'eve');
    await deliverAll(bench, leases, [built, other, failed]);
    expect(bench.offer.round).toBe(2);
    bench.send({ kind: 'detached', worker: bench.id('trusted'), lease: trusted?.id ?? '' });
    bench.drive(timings.detachGraceMs);
    expect((await bench.lease('trusted')).get('trusted')?.payload.round).toBe(2);
    expect(bench.run(run).phase.kind).toBe('building');
  });

  it('refuses to sign: disputed', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await bench.deliver('trusted', trusted);
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    bench.send({
      kind: 'cosign-refused',
      run,
      worker: bench.id('trusted'),
      code: 'COSIGN_RESULT_MISMATCH',
      message: 'no',
    });
    expect(bench.result(run)).toMatchObject({
      level: 'disputed',
      ending: 'cosign-refused',
      state: 'done',
    });
  });

  it('is shown another draft where a charter comes meanwhile, and what it says of the first is ignored', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await bench.deliver('trusted', trusted);
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    const draftOf = () => {
      const { phase } = bench.run(run);
      if (phase.kind !== 'cosigning') throw new Error('it is asked for its signature');
      return phase.draft;
    };
    const first = draftOf();
    bench.drive(1);
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2 }) });
    expect(bench.all('cosign')).toHaveLength(2);
    const second = draftOf();
    expect(second.charter.payload.epoch).toBe(2);
    const worker = bench.id('trusted');
    const stale = { run, worker, verdict: first.id };
    bench.send({ kind: 'cosigned', ...stale, signature: 'c2ln', witness: 'w' });
    bench.send({ kind: 'cosign-refused', ...stale, code: 'COSIGN_RESULT_MISMATCH', message: '' });
    expect(draftOf()).toBe(second);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
  });

  it('that a charter removes meanwhile confirms nothing any more', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await bench.deliver('trusted', trusted);
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    const charter = await bench.paper.charter({ epoch: 2, trusted: [bench.id('another')] });
    bench.send({ kind: 'charter', charter });
    bench.pinned(run);
    expect(bench.result(run)).toMatchObject({ level: 'agreed', state: 'agreed' });
  });

  it('cannot be spoken for by another worker', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await bench.deliver('trusted', trusted);
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    const { phase } = bench.run(run);
    const verdict = phase.kind === 'cosigning' ? phase.draft.id : '';
    bench.send({ kind: 'cosigned', run, worker: bench.id('ada'), verdict, signature: 'c2ln', witness: 'w' });
    expect(bench.result(run).level).toBe(null);
  });

  it('loses the lease of an aborted build and is asked again', async () => {
    const { bench, run, trusted } = await leasedRound();
    await bench.deliver('trusted', trusted, aborted);
    expect(bench.all('release')).toMatchObject([{ worker: bench.id('trusted'), code: 'LEASE_LOST' }]);
    expect((await bench.lease('trusted')).has('trusted')).toBe(true);
    if (trusted === undefined) throw new Error('it had a lease');
    // The release may have been lost with the stream.
    expect(bench.resume('trusted', trusted).map(({ kind }) => kind)).toEqual(['reply', 'reply', 'release']);
    expect(bench.run(run).trustedLeases).toBe(2);
  });

  it('that claims again gets the same lease: the answer may have been lost', async () => {
    const { bench, run, trusted } = await leasedRound();
    expect(bench.lastReply(await bench.claim('trusted'))).toMatchObject({
      kind: 'lease',
      run,
      lease: trusted?.payload,
    });
    expect(bench.run(run).trustedLeases).toBe(1);
  });

  it('is not needed without a co-signature, and refused', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    await bench.submit({ policy: { cosign: 'none' } });
    expect(bench.lastReply(await bench.claim('trusted'))).toMatchObject({ code: 'OFFER_CLOSED' });
  });

  it('is not believed when the charter in force does not name it any more', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, trusted: [] }) });
    await bench.deliver('trusted', trusted);
    expect(bench.all('cosign')).toEqual([]);
    expect(bench.result(run).level).toBe('agreed');
  });
});

describe('failing builds', () => {
  it('are no verdict without the trusted worker', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, [failed, failed, failed]);
    expect(bench.run(run).phase.kind).toBe('awaiting-trusted');
    expect(bench.progress(run, 'unconfirmed')).toHaveLength(1);
    await bench.deliver('trusted', trusted, exited(null, 2));
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'failed', outcome: { code: 2 } });
  });

  it('are not believed when the trusted worker succeeds', async () => {
    const { bench, run, leases, trusted } = await leasedRound({}, 'dan', 'eve');
    await deliverAll(bench, leases, [failed, failed, failed]);
    await bench.deliver('trusted', trusted, built);
    expect(bench.offer.round).toBe(2);
    const second = await bench.lease('dan', 'eve');
    await deliverAll(bench, second, []);
    bench.drive(timings.windowMs + timings.slotFillMs);
    bench.pinned(run);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', outcome: built });
  });

  it('without a co-signature end unfinished', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    await deliverAll(bench, leases, [failed, failed, failed]);
    expect(bench.result(run)).toMatchObject({ level: 'unfinished', ending: 'build-failed' });
  });
});
