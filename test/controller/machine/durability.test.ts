import { describe, expect, it } from 'vitest';
import { aborted, Bench, deliverAll, leasedRound, projectOf, timings } from './bench.ts';
import { source } from './pipelines.ts';

describe('is not journaled at all, and no replay needs it', () => {
  it('presence, a pass, a repeated claim, and heartbeats of a lease', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    expect(bench.durability).toBe('none');
    await bench.submit();
    await bench.claim('bob', { pass: 'busy' });
    expect(bench.durability).toBe('none');
    await bench.claim('ada');
    const journaled = bench.journal.length;
    for (let n = 0; n < 5; n++) {
      await bench.claim('ada');
      await bench.claim('bob', { pass: 'busy' });
      bench.present('ada', 'bob');
    }
    bench.send({ kind: 'absent', worker: bench.id('cy') });
    bench.send({ kind: 'tick' });
    const raised = bench.journal.slice(journaled).map(({ event }) => event.kind);
    expect(raised).toEqual(['answered']);
    const lease = (await bench.lease('ada')).get('ada');
    if (lease === undefined) throw new Error('ada has a lease');
    const before = bench.journal.length;
    bench.beat([['ada', lease]]);
    bench.resume('ada', lease);
    bench.send({ kind: 'detached', worker: bench.id('ada'), lease: lease.id });
    expect(bench.journal).toHaveLength(before);
  });

  it('the answer of a claim that was repeated goes to its latest stream', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    await bench.submit();
    await bench.claim('ada');
    const second = await bench.claim('ada');
    bench.drive(timings.windowMs);
    expect(bench.lastReply(second)).toMatchObject({ kind: 'lease' });
  });

  it('a lease that heartbeats kept alive: a replay neither loses it, nor keeps one that was lost', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    const others = [...leases].filter(([key]) => key !== 'ada');
    for (let ms = 0; ms < 2 * timings.leaseSilenceMs; ms += 10_000) {
      bench.beat(others);
      bench.drive(10_000);
    }
    expect(bench.progress(run, 'lost').map(({ operator }) => operator)).toEqual(['ada']);
    const kinds = () => bench.run(run).rounds[0]?.slots.map(({ kind }) => kind);
    const slots = kinds();
    bench.replay();
    expect(kinds()).toEqual(slots);
  });
});

describe('may be lost on power failure', () => {
  it('a claim, the holder of a lease, and its loss', async () => {
    const { bench } = await leasedRound();
    expect(bench.durability).toBe('lazy');
    bench.drive(timings.leaseSilenceMs);
    expect(bench.all('release').length).toBeGreaterThan(0);
    expect(bench.durabilityOf('release')).toBe('lazy');
  });
});

describe('is on disk before anything is done about it', () => {
  it('a new life of the process: its epoch is never given twice', async () => {
    const bench = new Bench();
    await bench.start();
    expect(bench.durability).toBe('sync');
    await bench.restart();
    expect(bench.durability).toBe('sync');
  });

  it('an enrolment, also of another machine of an operator that is known', async () => {
    const bench = new Bench();
    await bench.start();
    const invite = 'an invite for two hosts';
    await bench.enrol('ada', { hosts: 2 });
    expect(bench.durability).toBe('sync');
    await bench.enrol('ada2', {
      operator: 'ada',
      hosts: 2,
      invite: Buffer.from(invite).toString('base64url'),
    });
    expect(bench.durability).toBe('sync');
  });

  it('a newer charter', async () => {
    const bench = new Bench();
    await bench.start();
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2 }) });
    expect(bench.durability).toBe('sync');
  });

  it('an accepted request, and the end its publisher makes of it', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const which = await bench.submit();
    expect(bench.durability).toBe('sync');
    bench.send({ kind: 'cancel', token: 't', which, by: bench.id('publisher'), reason: 'no use' });
    expect(bench.durability).toBe('sync');
  });

  it('an accepted request that waits for another one, and so has nothing in the log', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const lib = await bench.submit({ name: 'lib', job: { source } });
    const needs = { lib: { request: lib, level: 'agreed' as const } };
    await bench.submit({ name: 'app', job: { source }, needs });
    expect(bench.durabilityOf('reply')).toBe('sync');
    expect(bench.durability).toBe('sync');
  });

  it('an acknowledged receipt', async () => {
    const { bench, leases } = await leasedRound();
    await bench.deliver('ada', leases.get('ada'));
    expect(bench.durability).toBe('sync');
    await bench.deliver('bob', leases.get('bob'), aborted);
    expect(bench.durability).toBe('sync');
  });

  it('that a round is revealed, whatever event ends it', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    await bench.deliver('ada', leases.get('ada'));
    await bench.deliver('bob', leases.get('bob'));
    // The third slot is lost until nobody is left to take it.
    while (bench.progress(run, 'revealed').length === 0) bench.drive(timings.slotFillMs);
    expect(bench.all('reveal')).toHaveLength(2);
    expect(bench.durabilityOf('reveal')).toBe('sync');
  });

  it('a verdict, its draft and its co-signature', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    expect(bench.durabilityOf('verdict')).toBe('sync');
    await bench.deliver('trusted', trusted);
    expect(bench.durabilityOf('cosign')).toBe('sync');
    bench.cosign(run);
    expect(bench.result(run).level).toBe('trusted');
    expect(bench.durability).toBe('sync');
  });
});

describe('leaves no trace', () => {
  it('a refused message', async () => {
    const { bench, leases } = await leasedRound();
    await bench.deliver('bob', leases.get('ada'));
    expect(bench.durability).toBe('none');
    await bench.claim('ada', { aud: bench.id('eve') });
    expect(bench.durability).toBe('none');
  });

  it('a message that was taken before', async () => {
    const { bench, leases } = await leasedRound();
    await bench.deliver('ada', leases.get('ada'));
    await bench.deliver('ada', leases.get('ada'));
    expect(bench.durability).toBe('none');
    await bench.submit();
    expect(bench.durability).toBe('none');
    bench.send({ kind: 'charter', charter: await bench.paper.charter() });
    expect(bench.durability).toBe('none');
  });

  it('a renewed grant, and an enrolment said again', async () => {
    const bench = new Bench();
    await bench.start();
    const invite = Buffer.from('the one invite of ada').toString('base64url');
    await bench.enrol('ada', { invite });
    await bench.enrol('ada', { invite });
    expect(bench.durability).toBe('none');
    bench.send({ kind: 'renew', token: 't', enrol: await bench.paper.enrol('ada', bench.now, invite) });
    expect(bench.lastReply('t').kind).toBe('grant');
    expect(bench.durability).toBe('none');
  });

  it('a message about a lease or a run that is not there', async () => {
    const { bench, run, leases } = await leasedRound();
    bench.send({ kind: 'heartbeat', worker: bench.id('ada'), lease: 'none' });
    expect(bench.durability).toBe('none');
    bench.send({ kind: 'heartbeat', worker: bench.id('bob'), lease: leases.get('ada')?.id ?? '' });
    expect(bench.durability).toBe('none');
    bench.pinned(run);
    expect(bench.durability).toBe('none');
    bench.cosign(run);
    expect(bench.durability).toBe('none');
  });
});
