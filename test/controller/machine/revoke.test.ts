import { describe, expect, it } from 'vitest';
import { snapshot } from '../../../simulations/snapshot.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { leaves } from '../../../src/protocol/documents/index.ts';
import { A, type Bench, built, deliverAll, failed, leasedRound, other, projectOf, timings } from './bench.ts';

const operator = (id: string) => ({ kind: 'operator', id }) as const;
const key = (bench: Bench, name: string) => ({ kind: 'key', id: bench.id(name) }) as const;
const artifact = { kind: 'artifact', id: A } as const;

const released = (bench: Bench, code: string) =>
  bench.all('release').flatMap((effect) => (effect.code === code ? [effect.worker] : []));

async function renew(bench: Bench, name: string) {
  const token = bench.token('renew');
  bench.send({ kind: 'renew', token, enrol: await bench.paper.enrol(name, bench.now) });
  return bench.lastReply(token);
}

/** A run of two of three that is trusted, with what the log held when its first receipt came. */
async function trustedRun(more: string[] = []) {
  const { bench, run, leases, trusted } = await leasedRound({}, ...more);
  const since = bench.controller.state.log.size;
  await deliverAll(bench, leases, [built, built, other]);
  bench.pinned(run);
  await bench.deliver('trusted', trusted);
  bench.cosign(run);
  expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
  return { bench, run, since };
}

/** `stored`: its bundle is, and its documents left memory. */
async function endedRun(stored: boolean) {
  const ended = await trustedRun();
  if (stored) ended.bench.store(ended.run);
  expect(ended.bench.controller.state.runs.has(ended.run)).toBe(!stored);
  return ended;
}

describe('a revocation', () => {
  it('is a leaf of the log, is told to everybody, and the same one is taken once', async () => {
    const bench = await projectOf('ada');
    const size = bench.controller.state.log.size;
    const revocation = await bench.paper.revocation(operator('ada'), size, bench.now);
    for (const token of ['first', 'again']) {
      bench.send({ kind: 'revoke', token, revocation });
      expect(bench.lastReply(token)).toEqual({ kind: 'revoked', index: size });
    }
    expect(bench.controller.state.log.leaves(size)).toEqual([leaves.revocation(revocation.id)]);
    expect(bench.all('revocation')).toEqual([{ kind: 'revocation', id: revocation.id }]);
    expect(bench.durabilityOf('revocation')).toBe('sync');
  });

  it.each([
    ['REVOCATION_ISSUER_MISMATCH', (bench: Bench) => bench.revoke(operator('ada'), { as: 'mallory' })],
    ['REVOCATION_ISSUER_MISMATCH', (bench: Bench) => bench.revoke(operator('ada'), { as: 'controller' })],
    [
      'REVOCATION_PROJECT_MISMATCH',
      (bench: Bench) => bench.revoke(operator('ada'), { project: bench.id('eve') }),
    ],
    [
      'REVOCATION_PROJECT_MISMATCH',
      (bench: Bench) => bench.revoke(operator('ada'), { as: 'root', project: bench.id('eve') }),
    ],
    ['REVOCATION_NEEDS_ROOT', (bench: Bench) => bench.revoke(key(bench, 'trusted'))],
    ['REVOCATION_NEEDS_ROOT', (bench: Bench) => bench.revoke(key(bench, 'controller'))],
    ['REVOCATION_NEEDS_ROOT', (bench: Bench) => bench.revoke(key(bench, 'idp'))],
    ['REVOCATION_SINCE_AHEAD', (bench: Bench) => bench.revoke(operator('ada'), { since: 99 })],
    ['REVOCATION_TARGET_UNKNOWN', (bench: Bench) => bench.revoke(operator('adda'))],
    ['REVOCATION_TARGET_UNKNOWN', (bench: Bench) => bench.revoke(key(bench, 'nobody'))],
  ])('is refused with %s and changes nothing', async (code, revoke) => {
    const bench = await projectOf('ada');
    const before = snapshot(bench.controller.state);
    expect(await revoke(bench)).toMatchObject({ kind: 'error', code });
    expect(snapshot(bench.controller.state)).toBe(before);
    expect(bench.durability).toBe('none');
  });

  it('is there again after a crash', async () => {
    const { bench, run, since } = await trustedRun();
    await bench.revoke(operator('ada'), { since });
    const before = snapshot(bench.controller.state);
    bench.replay();
    expect(snapshot(bench.controller.state)).toBe(before);
    expect(summaryOf(bench.controller.state, bench.run(run)).revoked).toMatchObject({
      what: 'operator',
      id: 'ada',
      since,
    });
  });
});

describe('a revoked operator', () => {
  it('gets no grant, no lease and no place, with any of its keys', async () => {
    const bench = await projectOf('bob', 'cy');
    await bench.enrol('ada', { hosts: 2 });
    await bench.enrol('ada2', { operator: 'ada', hosts: 2, invite: 'i'.repeat(32) });
    bench.present('ada', 'ada2');
    await bench.revoke(operator('ada'), { reason: 'sold the laptop' });
    expect([...bench.controller.state.presence.workers.values()].map((one) => one.operator)).not.toContain(
      'ada',
    );
    for (const name of ['ada', 'ada2']) {
      const reply = await renew(bench, name);
      expect(reply).toMatchObject({ kind: 'error', code: 'OPERATOR_REVOKED' });
      expect(JSON.stringify(reply)).toContain('sold the laptop');
    }
    bench.present('ada');
    expect(bench.controller.state.presence.workers.has(bench.id('ada'))).toBe(false);
    await bench.submit();
    expect(bench.lastReply(await bench.claim('ada'))).toMatchObject({ code: 'OPERATOR_REVOKED' });
    expect(await bench.enrol('ada3', { operator: 'ada', invite: 'j'.repeat(32) })).toMatchObject({
      code: 'OPERATOR_REVOKED',
    });
    expect(await renew(bench, 'bob')).toMatchObject({ kind: 'grant' });
  });

  it('loses its leases and its claims at once; the slot goes to another', async () => {
    const { bench, run, leases } = await leasedRound({}, 'dan', 'eve');
    const waiting = await bench.claim('dan');
    await bench.claim('eve');
    await bench.revoke(operator('dan'));
    expect(bench.lastReply(waiting)).toMatchObject({ kind: 'error', code: 'OPERATOR_REVOKED' });
    await bench.revoke(operator('ada'));
    expect(released(bench, 'OPERATOR_REVOKED')).toEqual([bench.id('ada')]);
    expect(await bench.deliver('ada', leases.get('ada'))).toMatchObject({ code: 'RECEIPT_STALE_FENCE' });
    expect(bench.progress(run, 'leased').at(-1)).toMatchObject({
      operator: 'eve',
      slot: leases.get('ada')?.payload.slot,
    });
  });

  it('is no fresh operator for another round', async () => {
    const { bench, run, leases } = await leasedRound({}, 'dan', 'eve');
    await bench.revoke(operator('dan'));
    await deliverAll(bench, leases, [built, other, failed]);
    expect(bench.result(run).state).toBe('done');
    expect(bench.result(run).level).toBe('disputed');
  });

  it('keeps the votes of before, and what they made', async () => {
    const { bench, run } = await trustedRun();
    await bench.revoke(operator('ada'));
    expect(summaryOf(bench.controller.state, bench.run(run)).revoked).toBeUndefined();
    expect(bench.progress(run, 'revoked')).toEqual([]);
  });
});

describe.each([
  ['whose documents are held', false],
  ['whose bundle is stored', true],
])('a verdict that rested on what is revoked, of a run %s,', (_what, stored) => {
  it('stands no more, and stays published as it was', async () => {
    const { bench, run, since } = await endedRun(stored);
    const published = JSON.stringify(bench.result(run));
    const verdicts = bench.all('verdict').length;
    await bench.revoke(operator('ada'), { since, reason: 'hijacked' });
    expect(summaryOf(bench.controller.state, bench.facts(run)).revoked).toEqual({
      what: 'operator',
      id: 'ada',
      since,
      reason: 'hijacked',
    });
    expect(bench.progress(run, 'revoked')).toEqual([
      { kind: 'revoked', artifact: A, what: 'operator', id: 'ada', since, reason: 'hijacked' },
    ]);
    expect(JSON.stringify(bench.result(run))).toBe(published);
    expect(bench.all('verdict')).toHaveLength(verdicts);
  });

  it('is told once', async () => {
    const { bench, run, since } = await endedRun(stored);
    await bench.revoke(operator('ada'), { since });
    await bench.revoke(operator('bob'), { since });
    expect(bench.progress(run, 'revoked')).toHaveLength(1);
  });

  it('stands where enough others built the same', async () => {
    const { bench, run, since } = await endedRun(stored);
    await bench.revoke(operator('cy'), { since });
    expect(bench.progress(run, 'revoked')).toEqual([]);
  });

  it.each([
    ['its artifact', () => artifact],
    ['its job', (bench: Bench, run: string) => ({ kind: 'job', id: bench.facts(run).jobId }) as const],
    ['the key that asked', (bench: Bench) => key(bench, 'publisher')],
    ['one of two keys that agreed', (bench: Bench) => key(bench, 'ada')],
  ])('was: %s', async (_what, target) => {
    const { bench, run } = await endedRun(stored);
    const size = bench.controller.state.log.size;
    await bench.revoke(target(bench, run), { since: size });
    expect(bench.progress(run, 'revoked')).toEqual([]);
    await bench.revoke(target(bench, run), { since: 0 });
    expect(bench.progress(run, 'revoked')).toHaveLength(1);
  });

  it("was the trusted worker's key, or the controller's: by the root", async () => {
    for (const name of ['trusted', 'controller']) {
      const { bench, run } = await endedRun(stored);
      expect(await bench.revoke(key(bench, name), { since: 0, as: 'root' })).toMatchObject({
        kind: 'revoked',
      });
      expect(bench.progress(run, 'revoked')).toHaveLength(1);
    }
  });
});

describe('a run that is not over', () => {
  it('goes on with others when a vote of a sealed round is revoked', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } }, 'dan', 'eve');
    const since = bench.controller.state.log.size;
    await bench.deliver('ada', leases.get('ada'));
    await bench.revoke(operator('ada'), { since });
    await bench.deliver('bob', leases.get('bob'));
    await bench.deliver('cy', leases.get('cy'), other);
    expect(bench.progress(run, 'agreed')).toEqual([]);
    expect(bench.offer.round).toBe(2);
    await deliverAll(bench, await bench.lease('dan', 'eve'), [built, built]);
    bench.drive(timings.windowMs + timings.slotFillMs);
    bench.pinned(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', outcome: built });
  });

  it('builds again when what was agreed lost a vote, while it is fetched', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } }, 'dan', 'eve');
    const since = bench.controller.state.log.size;
    await deliverAll(bench, leases, [built, built, other]);
    await bench.revoke(operator('ada'), { since });
    bench.pinned(run);
    expect(bench.result(run)).toMatchObject({ level: null, state: 'building' });
    expect(bench.offer.round).toBe(2);
  });

  it('builds again when what was agreed and published lost a vote', async () => {
    const { bench, run, leases, trusted } = await leasedRound({}, 'dan', 'eve');
    const since = bench.controller.state.log.size;
    await deliverAll(bench, leases, [built, built, other]);
    bench.pinned(run);
    expect(bench.result(run).level).toBe('agreed');
    await bench.revoke(operator('ada'), { since });
    expect(bench.offer.round).toBe(2);
    expect(bench.progress(run, 'revoked')).toMatchObject([{ artifact: A, id: 'ada' }]);
    expect(summaryOf(bench.controller.state, bench.run(run))).toMatchObject({
      level: null,
      revoked: { id: 'ada' },
    });
    await bench.deliver('trusted', trusted);
    await deliverAll(bench, await bench.lease('dan', 'eve'), [built, built]);
    bench.drive(timings.windowMs + timings.slotFillMs);
    bench.pinned(run);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
    expect(summaryOf(bench.controller.state, bench.run(run)).revoked).toBeUndefined();
  });

  it('drops the draft that waits for its co-signature when it would not stand', async () => {
    const { bench, run, leases, trusted } = await leasedRound({}, 'dan', 'eve');
    const since = bench.controller.state.log.size;
    await deliverAll(bench, leases, [built, built, other]);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    await bench.revoke(operator('ada'), { since });
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: null, state: 'building' });
    await deliverAll(bench, await bench.lease('dan', 'eve'), [built, built]);
    bench.drive(timings.windowMs + timings.slotFillMs);
    bench.pinned(run);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
  });

  it.each(['builds', 'was about to sign'])(
    'waits for another trusted worker when the first one %s',
    async (when) => {
      const bench = await projectOf('ada', 'bob', 'cy');
      const trustedKeys = ['trusted', 'second'].map((name) => bench.id(name));
      bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, trusted: trustedKeys }) });
      await bench.enrol('second', { role: 'trusted-worker', operator: 'owner' });
      const run = await bench.submit();
      const leases = await bench.lease('ada', 'bob', 'cy');
      const trusted = (await bench.lease('trusted')).get('trusted');
      if (when === 'was about to sign') await bench.deliver('trusted', trusted);
      await deliverAll(bench, leases, []);
      bench.pinned(run);
      await bench.revoke(key(bench, 'trusted'), { as: 'root' });
      expect(released(bench, 'KEY_REVOKED')).toEqual([bench.id('trusted')]);
      if (when === 'was about to sign') bench.pinned(run);
      bench.cosign(run);
      expect(bench.result(run)).toMatchObject({ level: 'agreed', state: 'agreed' });
      expect(bench.lastReply(await bench.claim('trusted'))).toMatchObject({ code: 'KEY_REVOKED' });
      await bench.deliver('second', (await bench.lease('second')).get('second'));
      bench.cosign(run, 'second');
      expect(bench.result(run)).toMatchObject({ level: 'trusted', state: 'done' });
    },
  );

  it.each([
    ['its publisher', () => operator('publisher')],
    ['its job', (bench: Bench, run: string) => ({ kind: 'job', id: bench.run(run).jobId }) as const],
  ])('ends when %s is revoked', async (_what, target) => {
    const { bench, run, leases } = await leasedRound();
    await bench.deliver('ada', leases.get('ada'));
    await bench.revoke(target(bench, run), { reason: 'left' });
    expect(bench.result(run)).toMatchObject({ state: 'cancelled', level: null });
    expect(bench.progress(run, 'cancelled')[0]?.reason).toContain('left');
    expect(bench.controller.state.leases.size).toBe(0);
    await expect(bench.submit({ seconds: 3601 })).rejects.toThrow(/REVOKED/);
  });

  it('does not agree on an artifact that is revoked', async () => {
    const { bench, run, leases } = await leasedRound();
    await bench.revoke(artifact);
    await deliverAll(bench, leases, []);
    expect(bench.progress(run, 'agreed')).toEqual([]);
    expect(bench.result(run)).toMatchObject({ level: 'unfinished', ending: 'artifact-revoked' });
  });
});
