import { describe, expect, it } from 'vitest';
import { snapshot } from '../../../simulations/snapshot.ts';
import { awaitedLeases } from '../../../src/controller/machine/rounds/leases.ts';
import { idOf } from '../../../src/protocol/documents/index.ts';
import { type Bench, deliverAll, leasedRound, projectOf, timings } from './bench.ts';

const drain = (bench: Bench) => bench.send({ kind: 'drain' });
const leasesOf = (bench: Bench, run: string) => bench.progress(run, 'leased');

describe('a controller that is drained', () => {
  it('takes a request, makes its offer, and gives no lease for it', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    drain(bench);
    bench.present('ada', 'bob', 'cy');
    const run = await bench.submit();
    expect(bench.progress(run, 'round')).toHaveLength(1);
    const tokens = await Promise.all(['ada', 'bob', 'cy', 'trusted'].map((key) => bench.claim(key)));
    expect(tokens.map((token) => bench.lastReply(token).kind)).toEqual(tokens.map(() => 'standby'));
    bench.drive(timings.windowMs + timings.slotFillMs + 60_000);
    expect(leasesOf(bench, run)).toEqual([]);
    expect(bench.progress(run, 'revealed')).toEqual([]);
    expect(awaitedLeases(bench.controller.state)).toEqual([]);
  });

  it('waits for nothing: no timer runs for a round that is held, but that of its request', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const run = await bench.submit();
    drain(bench);
    expect(bench.controller.nextDeadline()).toBe(bench.facts(run).request.payload.exp * 1000);
  });

  it('finishes the rounds that had begun, with all their slots', async () => {
    const { bench, run, leases } = await leasedRound();
    drain(bench);
    const waits = awaitedLeases(bench.controller.state);
    expect(waits.map(({ operator }) => operator).sort()).toEqual(['ada', 'bob', 'cy', 'trusted']);
    expect(waits.every(({ since, until }) => since <= bench.now && until > bench.now)).toBe(true);
    await deliverAll(bench, leases, []);
    expect(bench.progress(run, 'revealed')).toHaveLength(1);
    expect(bench.progress(run, 'agreed')).toHaveLength(1);
    expect(awaitedLeases(bench.controller.state).filter(({ slot }) => slot !== 'trusted')).toEqual([]);
  });

  it('leases a slot of a round that had begun again, and none of a round that lost all it had', async () => {
    const bench = await projectOf('ada', 'bob', 'cy', 'dan');
    const run = await bench.submit({ policy: { agree: 2, of: 2 } });
    bench.present('ada', 'bob');
    const leases = await bench.lease('ada', 'bob');
    drain(bench);
    const given = () => leasesOf(bench, run).map(({ operator }) => operator);
    bench.send({ kind: 'silent', lease: leases.get('ada')?.id ?? '' });
    const cy = bench.lastReply(await bench.claim('cy'));
    if (cy.kind !== 'lease') throw new Error('cy has no lease');
    expect(given()).toHaveLength(3);
    bench.send({ kind: 'silent', lease: leases.get('bob')?.id ?? '' });
    bench.send({ kind: 'silent', lease: idOf(cy.lease) });
    expect(bench.lastReply(await bench.claim('dan')).kind).not.toBe('lease');
    expect(given()).toHaveLength(3);
  });

  it('goes on after the next start, as its journal says', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    drain(bench);
    expect(bench.durability).toBe('lazy');
    expect(drain(bench)).toEqual([]);
    expect(bench.durability).toBe('none');
    const run = await bench.submit();
    await Promise.all(['ada', 'bob', 'cy'].map((key) => bench.claim(key)));
    bench.drive(timings.windowMs);
    const before = snapshot(bench.controller.state);
    bench.replay();
    expect(snapshot(bench.controller.state)).toBe(before);
    expect(bench.controller.state.draining).toBe(true);
    await bench.start();
    bench.present('ada', 'bob', 'cy');
    await bench.lease('ada', 'bob', 'cy');
    expect(leasesOf(bench, run)).toHaveLength(3);
  });
});
