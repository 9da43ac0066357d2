import { describe, expect, it } from 'vitest';
import { capabilities, exited, nonceOf, treeCid } from '../../../simulations/paperwork.ts';
import { signMessage } from '../../../src/protocol/documents/index.ts';
import type { WorkerEffect } from '../../../src/worker/machine/events.ts';
import { Worker } from '../../../src/worker/machine/machine.ts';
import { type Guard, openBench, right, twoOfThree, type Weakness } from './support.ts';

describe('a lazy worker copies the result of another', () => {
  /** An honest worker delivers while the lazy one still holds its slot; the lazy one delivers what it can get hold of. */
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('ada', 'lazy', 'cy');
    const run = await bench.submit({ policy: { ...twoOfThree, agree: 3 } });
    const leases = await bench.lease('ada', 'lazy', 'cy');
    const lease = leases.get('ada');
    if (lease === undefined) throw new Error('ada has a lease');

    const ada = new Worker(bench.id('ada'));
    const said: WorkerEffect[] = [];
    const tell = (event: Parameters<Worker['handle']>[0]) =>
      said.push(...ada.handle(event, bench.now).effects);
    const { request, job, jobId } = bench.run(run);
    const offer = await signMessage('offer', bench.offer, bench.paper.controller);
    tell({ kind: 'started', grant: bench.grantOf('ada'), lending: { capabilities, jobsAtOnce: 1 } });
    tell({ kind: 'offer', offer, request, job, jobId, entropy: nonceOf('e') });
    tell({ kind: 'leased', offer: offer.id, lease });
    const { payload } = await bench.paper.receipt('ada', lease, job, right);
    const { nonce, sandbox } = payload.predicate.quorate_receipt;
    const { startedOn, finishedOn } = payload.predicate.runDetails.metadata;
    const result = { outcome: right, files: [], log: null, sandbox, startedOn, finishedOn, nonce };
    tell({ kind: 'built', lease: lease.id, result });
    const reply = await bench.deliver('ada', lease, right);
    if (reply.kind !== 'ack') throw new Error('ada was acknowledged');
    tell({
      kind: 'acked',
      lease: lease.id,
      ack: await signMessage('ack', reply.ack, bench.paper.controller),
    });
    for (const { lease: revealed } of bench.all('reveal')) tell({ kind: 'revealed', lease: revealed });

    const published = said.find((effect) => effect.kind === 'publish');
    const copied = published?.kind === 'publish' ? published.artifact : null;
    await bench.deliver('cy', leases.get('cy'), right);
    await bench.deliver('lazy', leases.get('lazy'), exited(copied ?? treeCid('whatever')));
    return { copied: copied !== null, agreed: bench.progress(run, 'agreed').length === 1 };
  }

  it('but nobody serves it before the round is revealed', async () =>
    expect(await attack('on')).toEqual({ copied: false, agreed: false }));
  it('control: and counts as a third builder where workers are let go one by one', async () =>
    expect(await attack({ off: 'reveal-early' })).toEqual({ copied: true, agreed: true }));
});

describe('a worker delivers after the reveal', () => {
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('ada', 'late', 'cy');
    const run = await bench.submit({ policy: { ...twoOfThree, agree: 3 } });
    const leases = await bench.lease('ada', 'late', 'cy');
    await bench.deliver('ada', leases.get('ada'), right);
    await bench.deliver('cy', leases.get('cy'), right);
    // The worker is silent meanwhile: its lease lapses, no other takes the slot, and the round is revealed without it.
    bench.drive(600_000);
    const revealed = bench.all('reveal').length > 0;
    const reply = await bench.deliver('late', leases.get('late'), right);
    const answer = reply.kind === 'error' ? reply.code : reply.kind;
    return { revealed, answer, agreed: bench.progress(run, 'agreed').length === 1 };
  }
  /** Takes a lease for heard of at any time. */
  const neverSilent: Weakness = ({ state }, event, now) => {
    for (const lease of state.leases.keys()) state.presence.heard.set(lease, { at: now, detachedAt: null });
    return event;
  };

  it('and does not count: its lease is over', async () =>
    expect(await attack('on')).toEqual({ revealed: true, answer: 'RECEIPT_STALE_FENCE', agreed: false }));
  it('control: counts where silence ends no lease', async () =>
    expect(await attack(neverSilent)).toEqual({ revealed: false, answer: 'ack', agreed: true }));
});
