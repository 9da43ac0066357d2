import { describe, expect, it } from 'vitest';
import { capabilities, exited, treeCid } from '../../../simulations/paperwork.ts';
import { idOf, type Outcome } from '../../../src/protocol/documents/index.ts';
import type { Lending } from '../../../src/worker/machine/events.ts';
import { type Bench, kinds, started } from './bench.ts';

const A = treeCid('a');
const built = exited(A);
const aborted: Outcome = { kind: 'aborted', reason: 'outputs', detail: '' };

describe('a lease', () => {
  it('has what the job reads held to the job file of its request', async () => {
    const bench = await started();
    const needs = { lib: { request: idOf('lib'), level: 'agreed' as const } };
    const repo = 'https://git.example/recipes.git';
    const recipe = { repo, commit: 'c'.repeat(40), path: 'app.yaml', sha256: idOf('recipe') };
    await bench.building('app', { needs, recipe });
    await bench.restart();
    expect(bench.all('build').at(-1)?.reads).toEqual({ needs, recipe });
  });

  it('starts a build of the job it is for', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    expect(bench.all('build')).toMatchObject([
      { lease: lease.id, job: { name: 'app' }, ref: 'refs/heads/main' },
    ]);
    expect(bench.worker.building).toMatchObject([{ lease: lease.id }]);
  });

  it('that came while the host is full waits, and is built next, in the order of the leases', async () => {
    const bench = await started();
    const offers = [
      await bench.makeOffer('first'),
      await bench.makeOffer('second'),
      await bench.makeOffer('third'),
    ];
    const leases: string[] = [];
    for (const offered of offers) {
      bench.offer(offered);
      bench.send({ kind: 'reserve', offer: offered.offer.id });
    }
    for (const offered of offers) {
      const lease = await bench.lease(offered);
      leases.push(lease.id);
      bench.send({ kind: 'leased', offer: offered.offer.id, lease });
    }
    const [first = '', second = '', third = ''] = leases;
    expect(bench.all('build').map(({ lease }) => lease)).toEqual([first]);
    expect(kinds(bench.built({ id: first }, built))).toEqual(['tell-built', 'send-receipt', 'build']);
    // A lease that was taken back is not built when its turn comes, and stops nothing.
    const dropped = bench.send({ kind: 'released', lease: third, code: 'LEASE_LOST', message: '' });
    expect(kinds(dropped)).toEqual(['discard', 'note', 'poll']);
    bench.built({ id: second }, built);
    expect(bench.all('build').map(({ lease }) => lease)).toEqual([first, second]);
  });

  it('is given up with the reason, and claimed anew, when its receipt cannot be made', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, built);
    const why = { code: 'DOC_INVALID', message: 'the receipt holds control characters' };
    const effects = bench.send({ kind: 'failed', lease: lease.id, ...why });
    expect(effects).toMatchObject([
      { kind: 'give-up', lease: lease.id, ...why },
      { kind: 'discard' },
      { kind: 'note' },
      { kind: 'poll' },
    ]);
    expect(bench.worker.leaseOf(lease.id)).toBeUndefined();
    expect(bench.worker.history.list).toMatchObject([{ fate: 'dropped', code: 'DOC_INVALID' }]);
    await bench.restart();
    expect(bench.worker.leases).toEqual([]);
  });

  it('stands once its receipt is acknowledged, whatever fails later', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, built);
    await bench.ack(lease);
    expect(bench.send({ kind: 'failed', lease: lease.id, code: 'DOC_INVALID', message: '' })).toEqual([]);
    expect(bench.worker.isOpen(lease.id)).toBe(true);
  });

  it('that nobody asked for is not built: the offer was passed on, or leased before', async () => {
    const bench = await started();
    bench.send({ kind: 'lending', lending: { capabilities, jobsAtOnce: 1, closed: 'outside its hours' } });
    const passed = await bench.makeOffer('passed');
    bench.offer(passed);
    const lease = await bench.lease(passed);
    expect(kinds(bench.send({ kind: 'leased', offer: passed.offer.id, lease }))).toEqual(['note']);

    const other = await started();
    const { offered, lease: first } = await other.building();
    const second = await other.lease(offered);
    expect(kinds(other.send({ kind: 'leased', offer: offered.offer.id, lease: second }))).toEqual(['note']);
    expect(other.worker.leases).toEqual([first.id]);
  });

  it('is wanted no more while very many rounds have not ended', async () => {
    const bench = await started();
    for (let n = 0; n < 64; n++) {
      const { lease } = await bench.building(`job-${n}`);
      bench.built(lease, built);
      await bench.ack(lease);
    }
    const more = await bench.makeOffer('more');
    bench.offer(more);
    expect(bench.all('claim').at(-1)?.claim.pass).toContain('the rounds of 64 jobs');
    const [lease = ''] = bench.worker.leases;
    bench.send({ kind: 'revealed', lease });
    expect(kinds(bench.send({ kind: 'published', lease }))).toEqual(['claim']);
    expect(bench.all('claim').at(-1)?.claim.pass).toBeUndefined();
  });

  it('has its offer as it came, also after a restart: a controller whose journal is an older copy asks for it', async () => {
    const bench = await started();
    const { lease, offered } = await bench.building();
    bench.built(lease, built);
    await bench.ack(lease);
    await bench.restart();
    expect(bench.worker.offerOf(lease.id)).toBe(offered.offer.raw);
  });

  it("for an offer of before the start is noticed, and is nobody's", async () => {
    const bench = await started();
    const offered = await bench.makeOffer();
    bench.offer(offered);
    await bench.restart();
    const lease = await bench.lease(offered);
    expect(kinds(bench.send({ kind: 'leased', offer: offered.offer.id, lease }))).toEqual(['note']);
    expect(bench.worker.leaseOf(lease.id)).toBeUndefined();
  });

  it.each([
    ['for another worker', { aud: 'eve' }],
    ['for another job', { job: 'other' }],
    ['for another offer', { offer: '0'.repeat(64) }],
    ['of the trusted slot, for a worker that is none', { slot: 'trusted' as const }],
  ])('%s is not built', async (_, over) => {
    const bench = await started();
    const offered = await bench.makeOffer();
    bench.offer(offered);
    const aud = 'aud' in over ? bench.paper.keys.signer('eve').id : bench.id;
    const job = 'job' in over ? (await bench.makeOffer('other')).jobId : offered.jobId;
    const lease = await bench.lease(offered, { ...over, aud, job });
    expect(kinds(bench.send({ kind: 'leased', offer: offered.offer.id, lease }))).toEqual(['note']);
  });

  it('signed by somebody else than made the offer is not built', async () => {
    const bench = await started();
    const offered = await bench.makeOffer();
    bench.offer(offered);
    const lease = await bench.lease(offered, {}, 'eve');
    expect(kinds(bench.send({ kind: 'leased', offer: offered.offer.id, lease }))).toEqual(['note']);
  });

  it('heard of twice is built once', async () => {
    const bench = await started();
    const { offered, lease } = await bench.building();
    expect(bench.send({ kind: 'leased', offer: offered.offer.id, lease })).toEqual([]);
  });

  it('that is taken back stops the build and throws away what it made', async () => {
    const bench = await started();
    const { lease, offered } = await bench.building();
    const effects = bench.send({ kind: 'released', lease: lease.id, code: 'LEASE_LOST', message: 'gone' });
    expect(kinds(effects)).toEqual(['stop-build', 'discard', 'note', 'poll']);
    expect(kinds(bench.built(lease, built))).toEqual(['discard']);
    expect(bench.all('send-receipt')).toEqual([]);
    expect(kinds(bench.offer(offered))).toEqual(['claim']);
  });
});

describe('a lease that ran out while an emulated machine built', () => {
  const emulates: Lending = { capabilities: { ...capabilities, tiers: ['vm-emulated'] }, jobsAtOnce: 1 };
  const inImage = { job: { image: treeCid('image') } };
  const ended = (bench: Bench, { id }: { id: string }) =>
    bench.send({ kind: 'released', lease: id, code: 'LEASE_LOST', message: 'its time is up' });
  /** Its answer when the job is offered once more, under another request. */
  const answer = async (bench: Bench, over: Parameters<Bench['makeOffer']>[1] = inImage, name = 'app') => {
    const [effect] = bench.offer(await bench.makeOffer(name, over));
    return effect?.kind === 'claim' ? (effect.claim.pass ?? 'claimed') : effect?.kind;
  };

  it('has the job left to others for a day, also after a crash, and says why', async () => {
    const bench = await started();
    bench.send({ kind: 'lending', lending: emulates });
    const { lease, offered } = await bench.building('app', inImage);
    bench.now += 1200_000;
    expect(kinds(ended(bench, lease))).toEqual(['stop-build', 'discard', 'note', 'poll']);
    const says = expect.stringMatching(
      /^LEASE_LOST: its time is up; .* too slow for app, which it leaves to others/,
    );
    expect(bench.all('note').at(-1)).toMatchObject({ says });
    const passes = /too slow: it was still building app when its lease ended/;
    const [again] = bench.offer(offered);
    expect(again).toMatchObject({ kind: 'claim', claim: { pass: expect.stringMatching(passes) } });
    expect(await answer(bench, inImage, 'other')).toBe('claimed');
    await bench.restart();
    bench.send({ kind: 'lending', lending: emulates });
    expect(await answer(bench)).toMatch(passes);
    bench.now += 24 * 3600_000;
    expect(await answer(bench)).toBe('claimed');
  });

  interface Otherwise {
    closed?: string;
    early?: boolean;
  }
  const cases: [string, Partial<Lending['capabilities']>, Otherwise, Parameters<Bench['makeOffer']>[1]][] = [
    ['by a worker that does not emulate', { tiers: ['gvisor'] }, {}, inImage],
    ['on the machine itself', { tiers: ['vm-emulated', 'namespace'] }, {}, {}],
    ['while its operator had it paused', {}, { closed: 'paused by its operator' }, inImage],
    ['and was taken back before its time', {}, { early: true }, inImage],
  ];
  it.each(cases)('%s keeps it from nothing', async (_, able, { closed, early = false }, over) => {
    const bench = await started();
    const lending = { ...emulates, capabilities: { ...emulates.capabilities, ...able } };
    bench.send({ kind: 'lending', lending });
    const { lease } = await bench.building('app', over);
    if (closed !== undefined) bench.send({ kind: 'lending', lending: { ...lending, closed } });
    bench.now += early ? 600_000 : 1200_000;
    ended(bench, lease);
    bench.send({ kind: 'lending', lending });
    expect(await answer(bench, over)).toBe('claimed');
  });

  it('is tried again by a trusted worker, who has nobody to leave it to', async () => {
    const bench = await started('trusted-worker');
    bench.send({ kind: 'lending', lending: emulates });
    const { lease, offered } = await bench.building('app', inImage);
    bench.now += 1200_000;
    ended(bench, lease);
    expect(kinds(bench.offer(offered))).toEqual(['claim']);
    expect(bench.all('claim').at(-1)?.claim.pass).toBeUndefined();
  });
});

describe('a result', () => {
  it('becomes a receipt that says what its lease says', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, built);
    const { operator, slot, fence, round } = lease.payload;
    expect(bench.all('send-receipt')[0]?.receipt.predicate.quorate_receipt).toMatchObject({
      lease: lease.id,
      operator,
      slot,
      fence,
      round,
      outcome: built,
    });
  });

  it("is one: a second result of the same lease is nobody's", async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, built);
    expect(bench.built(lease, exited(treeCid('b')))).toEqual([]);
    await bench.ack(lease);
    expect(bench.built(lease, exited(treeCid('b')))).toEqual([]);
    expect(bench.all('send-receipt')).toHaveLength(1);
  });

  it('stays here until it is acknowledged and its round revealed', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    expect(bench.send({ kind: 'revealed', lease: lease.id })).toEqual([]);
    bench.built(lease, built);
    expect(bench.send({ kind: 'revealed', lease: lease.id })).toEqual([]);
    await bench.ack(lease);
    expect(bench.all('publish')).toEqual([]);
    expect(bench.send({ kind: 'revealed', lease: lease.id })).toEqual([
      { kind: 'publish', lease: lease.id, artifact: A, log: null },
    ]);
    expect(bench.worker).toMatchObject({ leases: [lease.id], openLeases: 0 });
    bench.send({ kind: 'published', lease: lease.id });
    expect(bench.worker).toMatchObject({ leases: [], openLeases: 0 });
  });

  it('that was revealed is published, whatever is said of its lease after that', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, built);
    await bench.ack(lease);
    expect(bench.send({ kind: 'published', lease: lease.id })).toEqual([]);
    bench.send({ kind: 'revealed', lease: lease.id });
    for (const kind of ['refused', 'released'] as const)
      expect(bench.send({ kind, lease: lease.id, code: 'LEASE_UNKNOWN', message: '' })).toEqual([]);
    expect(bench.send({ kind: 'revealed', lease: lease.id })).toEqual([]);
    bench.send({ kind: 'detached', lease: lease.id });
    expect(bench.drive(60_000)).toEqual([]);
    expect(bench.worker.leases).toEqual([lease.id]);
  });

  it.each([
    ['of another receipt', { receipt: '0'.repeat(64) }, 'controller'],
    ['of another lease', { lease: '0'.repeat(64) }, 'controller'],
    ['of somebody who is not the controller', {}, 'eve'],
  ])('is not acknowledged by the ack %s', async (_, over, by) => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, built);
    await bench.ack(lease, over, by);
    expect(bench.worker.pendingReceipt(lease.id)).toBeDefined();
    expect(bench.send({ kind: 'revealed', lease: lease.id })).toEqual([]);
  });

  it('that is refused is dropped', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, built);
    const effects = bench.send({
      kind: 'refused',
      lease: lease.id,
      code: 'RECEIPT_STALE_FENCE',
      message: '',
    });
    expect(kinds(effects)).toEqual(['discard', 'note', 'poll']);
    expect(bench.worker.pendingReceipt(lease.id)).toBeUndefined();
  });
});

describe('a stream that breaks', () => {
  it('is opened again a second later, as often as it takes', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    for (let n = 0; n < 3; n++) {
      bench.send({ kind: 'detached', lease: lease.id });
      expect(bench.drive(999)).toEqual([]);
      expect(bench.drive(1)).toEqual([{ kind: 'resume', lease }]);
    }
    expect(bench.worker.nextDeadline()).toBeUndefined();
  });

  it('leaves a receipt to be said again until it is acknowledged', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    expect(bench.worker.pendingReceipt(lease.id)).toBeUndefined();
    bench.built(lease, built);
    expect(bench.all('send-receipt')).toMatchObject([bench.worker.pendingReceipt(lease.id) ?? {}]);
    expect(bench.worker.ackedReceipt(lease.id)).toBeUndefined();
    const pending = bench.worker.pendingReceipt(lease.id);
    await bench.ack(lease);
    expect(bench.worker.pendingReceipt(lease.id)).toBeUndefined();
    expect(bench.worker.ackedReceipt(lease.id)).toEqual(pending);
    bench.send({ kind: 'revealed', lease: lease.id });
    expect(bench.worker.ackedReceipt(lease.id)).toBeUndefined();
  });
});

describe('a restart', () => {
  it('drops a build that was running, and claims the job again', async () => {
    const bench = await started();
    const { lease, offered } = await bench.building();
    expect(kinds(await bench.restart())).toEqual(['discard', 'note', 'poll']);
    expect(bench.worker.leaseOf(lease.id)).toBeUndefined();
    expect(kinds(bench.offer(offered))).toEqual(['claim']);
  });

  it('resumes a lease whose receipt is not acknowledged yet, with the same receipt', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, aborted, { name: 'files', max: 2000 });
    expect(kinds(await bench.restart())).toEqual(['resume', 'poll']);
    expect(bench.all('send-receipt')).toMatchObject([bench.worker.pendingReceipt(lease.id) ?? {}]);
    expect(bench.worker.pendingReceipt(lease.id)?.limit).toEqual({ name: 'files', max: 2000 });
  });

  it('resumes a lease that waits for its round', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, built);
    await bench.ack(lease);
    expect(kinds(await bench.restart())).toEqual(['resume', 'poll']);
    expect(kinds(bench.send({ kind: 'revealed', lease: lease.id }))).toEqual(['publish']);
  });

  it('claims no offer of which it holds a lease: the claim would count as a job while that offer is open', async () => {
    const bench = await started();
    const { lease, offered } = await bench.building();
    bench.built(lease, built);
    await bench.ack(lease);
    await bench.restart();
    expect(bench.offer(offered)).toEqual([]);
    const [claim] = bench.offer(await bench.makeOffer('next'));
    expect(claim?.kind === 'claim' ? claim.claim.pass : 'no claim').toBeUndefined();
  });

  it('publishes what was revealed, until it is', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, built);
    await bench.ack(lease);
    const [publish] = bench.send({ kind: 'revealed', lease: lease.id });
    for (let n = 0; n < 2; n++) expect((await bench.restart())[0]).toEqual(publish);
    bench.send({ kind: 'published', lease: lease.id });
    expect(kinds(await bench.restart())).toEqual(['poll']);
  });

  it('holds on to nothing that is over', async () => {
    const bench = await started();
    const { lease } = await bench.building();
    bench.built(lease, built);
    await bench.ack(lease);
    bench.send({ kind: 'revealed', lease: lease.id });
    bench.send({ kind: 'published', lease: lease.id });
    expect(kinds(await bench.restart())).toEqual(['poll']);
  });
});
