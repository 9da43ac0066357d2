import { describe, expect, it } from 'vitest';
import type { Charter, Policy } from '../../../src/core/documents/index.ts';
import { type Bench, built, deliverAll, leasedRound, timings } from './bench.ts';
import { draftIn, verified } from './evidence.ts';

async function charter(bench: Bench, over: Partial<Charter>): Promise<void> {
  bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, ...over }) });
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
