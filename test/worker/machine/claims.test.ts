import { describe, expect, it } from 'vitest';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import { drawOf, fullShare } from '../../../src/protocol/trust/draw.ts';
import { Bench, kinds, started } from './bench.ts';

const built = exited(treeCid('a'));

describe('an offer', () => {
  it('is claimed at once by a worker whose draw is under the share', async () => {
    const bench = await started();
    const offered = await bench.makeOffer();
    expect(bench.offer(offered)).toMatchObject([
      {
        kind: 'claim',
        offer: offered.offer.id,
        claim: { iss: bench.id, aud: bench.paper.controller.id, offer: offered.offer.id },
      },
    ]);
    const [{ iat = 0, exp = 0 } = {}] = bench.all('claim').map(({ claim }) => claim);
    // It may wait for a slot for an hour.
    expect(exp - iat).toBe(3600);
  });

  it('is claimed when the share has widened to its draw, and not before', async () => {
    const bench = await started();
    const offered = await bench.makeOffer('app', { share: 1 });
    const draw = drawOf('ada', offered.offer.payload.draw.seed);
    const doublings = Math.ceil(Math.log2(draw + 1));
    expect(doublings).toBeGreaterThan(1);
    expect(bench.offer(offered)).toEqual([]);
    expect(bench.drive(doublings * 1_000 - 1)).toEqual([]);
    expect(kinds(bench.drive(1))).toEqual(['claim']);
    expect(bench.worker.nextDeadline()).toBeUndefined();
  });

  it('is claimed when the share has widened since it was heard of, though it was looked at later', async () => {
    const bench = await started();
    const offered = await bench.makeOffer('app', { share: 1 });
    const draw = drawOf('ada', offered.offer.payload.draw.seed);
    const ms = Math.ceil(Math.log2(draw + 1)) * 1_000;
    expect(kinds(bench.offer(offered, ms - 1))).toEqual([]);
    expect(kinds(bench.drive(1))).toEqual(['claim']);
    const another = await bench.makeOffer('other', { share: 1 });
    expect(kinds(bench.offer(another, 40_000))).toEqual(['claim']);
  });

  it('is claimed once, however often it is heard of', async () => {
    const bench = await started();
    const offered = await bench.makeOffer();
    bench.offer(offered);
    expect(bench.worker.wants(offered.offer.id)).toBe(false);
    expect(bench.offer(offered)).toEqual([]);
  });

  it('made before this operator was enrolled is not claimed', async () => {
    const bench = await started();
    bench.send({ kind: 'grant', grant: await bench.grant({ enrolled: 10 }) });
    expect(bench.offer(await bench.makeOffer('app', { index: 10 }))).toMatchObject([
      { kind: 'note', says: expect.stringContaining('before this operator was enrolled') },
    ]);
    expect(kinds(bench.offer(await bench.makeOffer('other', { index: 11 })))).toEqual(['claim']);
  });

  it("that needs no co-signature is not the trusted worker's business", async () => {
    const bench = await started('trusted-worker');
    expect(bench.offer(await bench.makeOffer('app', { policy: { cosign: 'none' } }))).toEqual([]);
    expect(kinds(bench.offer(await bench.makeOffer('other')))).toEqual(['claim']);
  });

  it('before the worker has started is left alone', async () => {
    const bench = new Bench();
    expect(bench.offer(await bench.makeOffer())).toEqual([]);
  });

  it('shares widen to everybody in the end', async () => {
    const bench = await started();
    bench.offer(await bench.makeOffer('app', { share: 1 }));
    expect(kinds(bench.drive(Math.log2(fullShare) * 1_000))).toEqual(['claim']);
  });
});

describe('a worker that cannot take a job says why', () => {
  it.each([
    ['another architecture', { arch: 'aarch64' as const }, /x86_64/],
    [
      'more than the host lends',
      { limits: { cpus: 64, memoryBytes: 2 ** 28, diskBytes: 2 ** 28, pids: 64, seconds: 60 } },
      /^the job wants 64 cpus, the host lends 2$/,
    ],
  ])('%s', async (_, job, why) => {
    const bench = await started();
    const [effect] = bench.offer(await bench.makeOffer('app', { job }));
    expect(effect?.kind === 'claim' ? effect.claim.pass : '').toMatch(why);
  });

  it('an image is nothing to pass over: every tier runs it', async () => {
    const bench = await started();
    const [effect] = bench.offer(await bench.makeOffer('app', { job: { image: treeCid('image') } }));
    expect(effect?.kind === 'claim' ? effect.claim.pass : 'no claim').toBeUndefined();
  });

  it('busy with as many jobs as it takes at once, and claims after the build', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    const second = await bench.makeOffer('second');
    expect(bench.offer(second)).toMatchObject([{ claim: { pass: 'busy with 1 job' } }]);
    const [told, receipt, claim, ...rest] = bench.built(lease, built);
    expect(told?.kind).toBe('tell-built');
    expect(receipt?.kind).toBe('send-receipt');
    expect(claim).toMatchObject({ kind: 'claim', offer: second.offer.id });
    expect(claim?.kind === 'claim' ? claim.claim.pass : '').toBeUndefined();
    expect(rest).toEqual([]);
  });

  it('busy with a claim that may become a lease any moment, and claims the next when it did not', async () => {
    const bench = await started();
    const [first, second] = [await bench.makeOffer('first'), await bench.makeOffer('second')];
    bench.offer(first);
    expect(bench.offer(second)).toMatchObject([{ claim: { pass: 'busy with 1 job' } }]);
    const third = await bench.makeOffer('third');
    expect(bench.offer(third)).toMatchObject([{ claim: { pass: 'busy with 1 job' } }]);
    const claims = bench.send({ kind: 'reserve', offer: first.offer.id });
    expect(claims).toMatchObject([{ kind: 'claim', offer: second.offer.id }]);
    expect(claims[0]?.kind === 'claim' ? claims[0].claim.pass : '').toBeUndefined();
    const next = bench.send({ kind: 'declined', offer: second.offer.id, code: 'OFFER_CLOSED', message: '' });
    expect(next).toMatchObject([{ kind: 'claim', offer: third.offer.id }]);
  });

  it('an offer that ended while it was busy is not claimed', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.offer(await bench.makeOffer('second'));
    bench.drive(3_600_000);
    expect(kinds(bench.built(lease, built))).toEqual(['tell-built', 'send-receipt']);
  });

  it.each([
    ['processes', { pids: 63 }, 'the job wants 64 processes; this host lends 63'],
    ['time', { seconds: 59 }, 'the job may take 60 s; this host lends 59 s'],
  ])('more %s than its operator lends', async (_, lent, pass) => {
    const bench = await started();
    const { capabilities } = bench.lending;
    bench.send({ kind: 'lending', lending: { capabilities, jobsAtOnce: 1, ...lent } });
    const job = { limits: { cpus: 1, memoryBytes: 2 ** 28, diskBytes: 2 ** 28, pids: 64, seconds: 60 } };
    const offer = await bench.makeOffer('app', { job });
    expect(bench.offer(offer)).toMatchObject([{ claim: { pass } }]);
    // Lent again, it is wanted at once.
    const claims = bench.send({ kind: 'lending', lending: bench.lending });
    expect(claims).toMatchObject([{ kind: 'claim', offer: offer.offer.id }]);
  });

  it('processes that another build may use', async () => {
    const bench = await started('worker', { jobsAtOnce: 2 });
    await bench.building();
    const { capabilities } = bench.lending;
    bench.send({ kind: 'lending', lending: { capabilities, jobsAtOnce: 2, pids: 100 } });
    const limits = { cpus: 1, memoryBytes: 2 ** 28, diskBytes: 2 ** 28, pids: 64, seconds: 60 };
    expect(bench.offer(await bench.makeOffer('big', { job: { limits } }))).toMatchObject([
      { claim: { pass: 'busy: not enough processes free' } },
    ]);
  });

  it.each([
    ['cpus', { cpus: 2, memoryBytes: 2 ** 28, diskBytes: 2 ** 28 }],
    ['memory', { cpus: 1, memoryBytes: 2 ** 31, diskBytes: 2 ** 28 }],
    ['disk', { cpus: 1, memoryBytes: 2 ** 28, diskBytes: 2 ** 31 }],
  ])('not enough %s free', async (what, limits) => {
    const bench = await started('worker', { jobsAtOnce: 2 });
    await bench.building();
    const [effect] = bench.offer(
      await bench.makeOffer('big', { job: { limits: { ...limits, pids: 64, seconds: 60 } } }),
    );
    expect(effect).toMatchObject({ claim: { pass: `busy: not enough ${what} free` } });
  });
});

describe('a claim that is declined', () => {
  async function declined(code: string, role: 'worker' | 'trusted-worker' = 'worker') {
    const bench = await started(role);
    const offered = await bench.makeOffer();
    bench.offer(offered);
    bench.send({ kind: 'declined', offer: offered.offer.id, code, message: '' });
    return { bench, offered };
  }

  it('because its stream broke is made again a second later', async () => {
    const { bench } = await declined('MESH_LOST');
    expect(bench.drive(999)).toEqual([]);
    expect(kinds(bench.drive(1))).toEqual(['claim']);
  });

  it('because its draw is above the share is made again when the share has widened', async () => {
    const { bench } = await declined('CLAIM_ABOVE_SHARE');
    expect(kinds(bench.drive(1_000))).toEqual(['claim']);
  });

  it('because another machine of the operator has a slot is made again when the offer comes again', async () => {
    const { bench, offered } = await declined('CLAIM_HAS_SLOT');
    expect(kinds(bench.offer(offered))).toEqual(['claim']);
  });

  it.each(['OFFER_CLOSED', 'CLAIM_NOT_FRESH', 'CLAIM_TOO_NEW', 'CLAIM_UNFIT'])(
    'for good (%s) is not made again',
    async (code) => {
      const { bench, offered } = await declined(code);
      expect(bench.worker.wants(offered.offer.id)).toBe(false);
      expect(bench.offer(offered)).toEqual([]);
      expect(bench.worker.nextDeadline()).toBeUndefined();
    },
  );

  it('by a taken slot is made again by a trusted worker: its slot may become free', async () => {
    const { bench, offered } = await declined('OFFER_CLOSED', 'trusted-worker');
    expect(kinds(bench.offer(offered))).toEqual(['claim']);
  });
});
