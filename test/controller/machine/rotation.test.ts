import { describe, expect, it } from 'vitest';
import type { KeyChange } from '../../../simulations/paperwork.ts';
import type { Charter } from '../../../src/protocol/documents/index.ts';
import { type Bench, built, deliverAll, leasedRound, projectOf } from './bench.ts';
import { verified } from './evidence.ts';

let epoch = 1;

/** The owner replaces a key; the process goes on with it. */
async function rotate(bench: Bench, what: KeyChange, over: Partial<Charter> = {}): Promise<void> {
  bench.paper.replace(what);
  bench.replay();
  await bench.start({ epoch: ++epoch, ...over });
}

async function agreed(bench: Bench, name: string): Promise<string> {
  const run = await bench.submit({ name, policy: { cosign: 'none' } });
  await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [built, built, built]);
  bench.pinned(run);
  return run;
}

describe('another key of the controller', () => {
  it('ends what was asked of the one before, and says what to do', async () => {
    const { bench, run } = await leasedRound();
    await rotate(bench, 'controller');
    const [{ reason } = { reason: '' }] = bench.progress(run, 'cancelled');
    expect(reason).toMatch(/REQUEST_AUDIENCE_MISMATCH.*quorate run/);
    await expect(bench.submit({ name: 'lib' })).resolves.toBeDefined();
  });

  it('goes on with the same log, members and runs, and gives verdicts that hold', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    await agreed(bench, 'app');
    const { log, keys } = bench.controller.state;
    const before = log.leaves(0);
    await rotate(bench, 'controller');
    const { state } = bench.controller;
    expect(state.log.leaves(0, before.length)).toEqual(before);
    expect([...state.keys]).toEqual([...keys]);
    bench.present('ada', 'bob', 'cy');
    const run = await agreed(bench, 'lib');
    expect(await verified(bench, run)).toBe('trusted');
    expect(bench.result(run).verdict?.predicate.verifier.id).toContain(bench.paper.controller.id);
  });

  it('is replayed with the key of each time', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    await agreed(bench, 'app');
    await rotate(bench, 'controller');
    bench.present('ada', 'bob', 'cy');
    await agreed(bench, 'lib');
    const leaves = bench.controller.state.log.leaves(0);
    bench.replay();
    expect(bench.controller.state.log.leaves(0)).toEqual(leaves);
    expect(bench.controller.state.id).toBe(bench.paper.controller.id);
  });

  it('still answers for a lease of the one before: lease and ack are under the key that gave it', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const run = await bench.submit({ policy: { cosign: 'none' } });
    const leases = await bench.lease('ada', 'bob', 'cy');
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    const lease = leases.get('ada');
    if (lease === undefined) throw new Error('a lease');
    const { id } = bench.paper.controller;
    await rotate(bench, 'controller');
    const effects = bench.resume('ada', lease);
    expect(effects).toMatchObject([
      { kind: 'reply', reply: { kind: 'lease', lease: { iss: id } } },
      { kind: 'reply', reply: { kind: 'ack', ack: { iss: id } } },
      { kind: 'reveal', lease: lease.id },
    ]);
  });

  describe('that was stolen', () => {
    it('is revoked by the root alone, also when the charter names it no more', async () => {
      const bench = await projectOf('ada', 'bob', 'cy');
      const { id } = bench.paper.controller;
      await rotate(bench, 'controller');
      expect(await bench.revoke({ kind: 'key', id })).toMatchObject({ code: 'REVOCATION_NEEDS_ROOT' });
      expect(await bench.revoke({ kind: 'key', id }, { as: 'root' })).toMatchObject({ kind: 'revoked' });
    });

    it('voids what it gave from there on, and nothing else', async () => {
      const bench = await projectOf('ada', 'bob', 'cy');
      const { id } = bench.paper.controller;
      const first = await agreed(bench, 'app');
      const since = bench.controller.state.log.size;
      const second = await agreed(bench, 'lib');
      await rotate(bench, 'controller');
      bench.present('ada', 'bob', 'cy');
      const third = await agreed(bench, 'doc');
      await bench.revoke({ kind: 'key', id }, { as: 'root', since });
      const revoked = () => [first, second, third].map((run) => bench.run(run).revoked?.what.id);
      expect(revoked()).toEqual([undefined, id, undefined]);
      // The key that signs now gave none of those of before.
      await bench.revoke({ kind: 'key', id: bench.paper.controller.id }, { as: 'root', since: 0 });
      expect(revoked()).toEqual([undefined, id, bench.paper.controller.id]);
    });
  });
});

describe('another key of the identity provider', () => {
  const ticketOf = (bench: Bench, name: string) => bench.paper.invite(name, 'worker', bench.now);

  async function enrol(bench: Bench, name: string, ticket: Awaited<ReturnType<typeof ticketOf>>) {
    const token = bench.token('enrol');
    const wish = await bench.paper.enrol(name, bench.now, ticket.payload.jti);
    bench.send({ kind: 'enrol', token, enrol: wish, invite: ticket });
    return bench.lastReply(token);
  }

  async function renew(bench: Bench, name: string, wish = bench.paper.enrol(name, bench.now)) {
    const token = bench.token('renew');
    bench.send({ kind: 'renew', token, enrol: await wish });
    return bench.lastReply(token);
  }

  it('signs from then on; tickets and grants of the one before are good beside it', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const ticket = await ticketOf(bench, 'dan');
    const wish = bench.paper.enrol('ada', bench.now);
    await rotate(bench, 'idp');
    bench.present('ada');
    expect(bench.controller.state.presence.workers.has(bench.id('ada'))).toBe(true);
    const { id } = bench.paper.idp;
    // Made by a member that knows the charter of before.
    expect(await renew(bench, 'ada', wish)).toMatchObject({ kind: 'grant', grant: { iss: id } });
    expect(await enrol(bench, 'dan', ticket)).toMatchObject({ kind: 'grant', grant: { iss: id } });
  });

  it('alone: those of the one before are good no more, and whoever is enrolled gets a grant of it', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const ticket = await ticketOf(bench, 'dan');
    const wish = bench.paper.enrol('ada', bench.now);
    await rotate(bench, 'idp at once');
    bench.present('ada');
    expect(bench.controller.state.presence.workers.size).toBe(0);
    expect(await enrol(bench, 'dan', ticket)).toMatchObject({ code: 'TICKET_ISSUER_MISMATCH' });
    expect(await renew(bench, 'ada', wish)).toMatchObject({ code: 'ENROL_AUDIENCE_MISMATCH' });
    expect(await renew(bench, 'ada')).toMatchObject({ kind: 'grant', grant: { iss: bench.paper.idp.id } });
  });

  it('leaves the verdicts of before as they are', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const run = await agreed(bench, 'app');
    await rotate(bench, 'idp at once');
    expect(await verified(bench, run)).toBe('trusted');
  });
});

it('a trusted worker that the charter names no more is not counted as present', async () => {
  const bench = await projectOf('ada', 'bob', 'cy');
  await bench.enrol('trusted');
  bench.present('trusted');
  const present = () => bench.controller.state.presence.workers.has(bench.id('trusted'));
  expect(present()).toBe(true);
  bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: ++epoch, trusted: [] }) });
  expect(present()).toBe(false);
  bench.present('trusted');
  expect(present()).toBe(false);
});
