import { describe, expect, it } from 'vitest';
import { type Charter, idOf, type Policy } from '../../../src/protocol/documents/index.ts';
import { type Bench, built, deliverAll, failed, leasedRound, timings } from './bench.ts';
import { cosign, draftIn, verified } from './evidence.ts';

async function charter(bench: Bench, over: Partial<Charter>): Promise<void> {
  bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, ...over }) });
}

/** A charter with another trusted worker, which is enrolled and claims: the lease it gets. */
async function replaceTrusted(bench: Bench) {
  await charter(bench, { trusted: [bench.id('successor')] });
}

async function successorLease(bench: Bench) {
  await bench.enrol('successor', { role: 'trusted-worker' });
  return (await bench.lease('successor')).get('successor');
}

describe('a run that a new charter does not allow', () => {
  const changes: [string, string, (bench: Bench) => Partial<Charter>][] = [
    [
      'by its floor',
      'POLICY_BELOW_FLOOR',
      () => ({ floor: { agree: 3, of: 3, cosign: 'required', rounds: 1 } }),
    ],
    ['by its source servers', 'SOURCE_HOST_NOT_ALLOWED', () => ({ vcs: ['new.example'] })],
    [
      'by its identity providers',
      'GRANT_ISSUER_MISMATCH',
      (bench) => ({ idps: [bench.id('another provider')] }),
    ],
    [
      'by its controllers',
      'REQUEST_AUDIENCE_MISMATCH',
      (bench) => ({ controllers: [bench.id('another controller')] }),
    ],
  ];
  const none: Partial<Policy> = { cosign: 'none' };

  it.each(changes)('ends, with the reason, before it is built: %s', async (_what, code, change) => {
    const { bench, run, leases } = await leasedRound({ policy: none });
    const ada = leases.get('ada');
    await bench.deliver('ada', ada);
    await charter(bench, change(bench));
    expect(bench.result(run)).toMatchObject({ state: 'cancelled', level: null });
    expect(bench.progress(run, 'cancelled')).toMatchObject([{ reason: expect.stringContaining(code) }]);
    expect(bench.all('release')).toHaveLength(3);
    expect(await bench.deliver('bob', leases.get('bob'))).toMatchObject({ code: 'RECEIPT_STALE_FENCE' });
    expect(bench.durability).toBe('none');
    bench.drive(timings.windowMs + timings.slotFillMs);
    expect(bench.all('verdict')).toEqual([]);
  });

  it.each(changes)('ends where the controller was down meanwhile: %s', async (_what, code, change) => {
    const { bench, run } = await leasedRound({ policy: none });
    bench.replay();
    await bench.start({ epoch: 2, ...change(bench) });
    expect(bench.progress(run, 'cancelled')).toMatchObject([{ reason: expect.stringContaining(code) }]);
  });

  it.each(changes)(
    'keeps what was agreed on before, and gets no co-signature: %s',
    async (_what, _code, change) => {
      const { bench, run, leases, trusted } = await leasedRound();
      await deliverAll(bench, leases, [built, built, built]);
      bench.pinned(run);
      await bench.deliver('trusted', trusted);
      expect(bench.run(run).phase.kind).toBe('cosigning');
      await charter(bench, { ...change(bench), floor: { agree: 3, of: 3, cosign: 'required', rounds: 1 } });
      expect(bench.result(run)).toMatchObject({ state: 'cancelled', level: 'agreed' });
      expect(await verified(bench, run)).toBe('agreed');
    },
  );

  it('goes on where it is allowed, and its verdict holds under the new charter', async () => {
    const { bench, run, leases } = await leasedRound({ policy: none });
    await charter(bench, { bootstrap: ['/ip4/192.0.2.1/tcp/1'] });
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    expect(await verified(bench, run)).toBe('trusted');
    expect(draftIn(bench, run).charter).toBe(bench.controller.state.charter?.raw);
  });
});

describe('a draft that is made again in the same moment', () => {
  it('is another document: what was signed before is not taken for it', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    const first = idOf(draftIn(bench, run).verdict);
    await charter(bench, { bootstrap: ['/ip4/192.0.2.1/tcp/1'] });
    const second = idOf(draftIn(bench, run).verdict);
    expect(second).not.toBe(first);
    const late = { run, worker: bench.id('trusted'), verdict: first, signature: 'early', witness: 'early' };
    bench.send({ kind: 'cosigned', ...late });
    expect([bench.durability, bench.result(run).state]).toEqual(['none', 'cosigning']);
    await cosign(bench, run, 'trusted');
    expect(await verified(bench, run)).toBe('trusted');
  });
});

describe('a trusted worker that a new charter replaces', () => {
  it('while its co-signature is awaited: what was agreed stands, and its successor may confirm it', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    await replaceTrusted(bench);
    expect(bench.result(run)).toMatchObject({ state: 'agreed', level: 'agreed' });
    expect(await verified(bench, run)).toBe('agreed');
    const lease = await successorLease(bench);
    await bench.deliver('successor', lease);
    await cosign(bench, run, 'successor');
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
    expect(await verified(bench, run)).toBe('trusted');
  });

  it('after it delivered first: what the operators agree on is published, and holds', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await bench.deliver('trusted', trusted);
    await replaceTrusted(bench);
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    expect(bench.result(run)).toMatchObject({ state: 'agreed', level: 'agreed' });
    expect(await verified(bench, run)).toBe('agreed');
    expect(await successorLease(bench)).toBeDefined();
  });

  it('after it delivered first and is asked to sign: what the operators agreed on is published, and holds', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await bench.deliver('trusted', trusted);
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await replaceTrusted(bench);
    bench.pinned(run);
    expect(bench.result(run)).toMatchObject({ state: 'agreed', level: 'agreed' });
    expect(await verified(bench, run)).toBe('agreed');
  });

  it('while it builds: its lease ends, and its successor has the slot', async () => {
    const { bench, trusted } = await leasedRound();
    await replaceTrusted(bench);
    expect(bench.all('release')).toMatchObject([{ lease: trusted?.id, code: 'TRUSTED_KEY_NOT_IN_CHARTER' }]);
    expect(await successorLease(bench)).toBeDefined();
  });

  it.each([
    ['failed', failed],
    ['built', built],
  ] as const)(
    'and that comes back: its receipt is no reason to ask who holds no lease to sign: %s',
    async (_what, outcome) => {
      const { bench, run, leases, trusted } = await leasedRound();
      await bench.deliver('trusted', trusted, outcome);
      await deliverAll(bench, leases, [outcome, outcome, outcome]);
      bench.pinned(run);
      await replaceTrusted(bench);
      await charter(bench, { epoch: 3 });
      bench.pinned(run);
      expect(bench.all('cosign')).toHaveLength(1);
      expect(bench.run(run).phase.kind).toBe(outcome === failed ? 'awaiting-trusted' : 'agreed');
      await bench.deliver('trusted', (await bench.lease('trusted')).get('trusted'), outcome);
      await cosign(bench, run, 'trusted');
      expect(await verified(bench, run)).toBe(outcome === failed ? 'failed' : 'trusted');
    },
  );
});
