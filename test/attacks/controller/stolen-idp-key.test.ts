import { describe, expect, it } from 'vitest';
import { snapshot } from '../../../simulations/snapshot.ts';
import type { ControllerEffect, ControllerEvent, Reply } from '../../../src/controller/machine/events.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import { fullKeys } from '../../../src/controller/machine/members/revocations.ts';
import { membersPage } from '../../../src/controller/machine/queries/members.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import type { Handled } from '../../../src/protocol/base/durability.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { A, Bench, built, deliverAll } from '../../controller/machine/bench.ts';

const artifact = { kind: 'artifact', id: A } as const;

/** With the guard off: all keys share the room of one. */
class OneRoom extends Controller {
  override handle(event: ControllerEvent, now: number, rules?: number): Handled<ControllerEffect> {
    if (event.kind !== 'revoke' || this.state.revocations.length < limits.revocationsMax)
      return super.handle(event, now, rules);
    const reply = { kind: 'error', code: 'REVOCATIONS_FULL', message: 'no more are taken' } as const;
    return { effects: [{ kind: 'reply', token: event.token, reply }], durability: 'none' };
  }
}

/** With the guard off: whoever is ended goes on revoking. */
class Endless extends Controller {
  override handle(event: ControllerEvent, now: number, rules?: number): Handled<ControllerEffect> {
    this.state.endsKeys = false;
    return super.handle(event, now, event.kind === 'started' ? 1 : rules);
  }
}

async function trustedRun(make: typeof Controller) {
  const bench = new Bench((id, idp) => new make(id, idp));
  await bench.start();
  await bench.members('trusted', 'ada', 'bob', 'cy');
  bench.present('ada', 'bob', 'cy', 'trusted');
  const run = await bench.submit();
  const leases = await bench.lease('ada', 'bob', 'cy');
  const trusted = (await bench.lease('trusted')).get('trusted');
  await deliverAll(bench, leases, [built, built, built]);
  bench.pinned(run);
  await bench.deliver('trusted', trusted);
  bench.cosign(run);
  bench.store(run);
  const stands = () => {
    const found = bench.controller.state.index.get(run);
    if (found === undefined) throw new Error('no such run');
    return summaryOf(bench.controller.state, found).revoked === undefined;
  };
  expect(stands()).toBe(true);
  return { bench, stands };
}

describe('a thief of the identity provider’s key', () => {
  it.each([
    ['that fills its room keeps none of the root’s out', Controller, false],
    ['control: with one room for all keys the root cannot revoke', OneRoom, true],
  ])('%s', async (_what, make, stays) => {
    const { bench, stands } = await trustedRun(make);
    for (let n = 0; n < limits.revocationsMax; n++)
      await bench.revoke({ kind: 'job', id: A }, { reason: `n ${n}` });
    await bench.revoke(artifact, { since: 0, as: 'root', reason: 'malware' });
    expect(stands()).toBe(stays);
  });

  it.each([
    ['and was ended voids nothing more', Controller, true],
    ['control: goes on revoking where an end does not reach revocations', Endless, false],
  ])('%s', async (_what, make, stays) => {
    const { bench, stands } = await trustedRun(make);
    await bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root' });
    await bench.revoke(artifact, { since: 0, reason: 'because I can' });
    expect(stands()).toBe(stays);
  });
});

/** With the guard off: a key signs tickets without end, as under the rules before. */
class Unbounded extends Controller {
  override handle(event: ControllerEvent, now: number): Handled<ControllerEffect> {
    return super.handle(event, now, 2);
  }
}

describe('a thief of the identity provider’s key that makes operators', () => {
  async function attack(make: typeof Controller) {
    const bench = new Bench((id, idp) => new make(id, idp));
    await bench.start();
    const { state } = bench.controller;
    await bench.enrol('ada', { hosts: 2, invite: 'adasadasadasadasadasAA' });
    state.tickets.set(bench.id('idp'), limits.ticketsOfKeyMax - 1);
    const before = fullKeys(state);
    const codes = [];
    for (const name of ['mallory', 'trudy', 'eve']) codes.push(codeOf(await bench.enrol(name)));
    // A ticket that was used before takes no room.
    const second = { operator: 'ada', hosts: 2, invite: 'adasadasadasadasadasAA' };
    codes.push(codeOf(await bench.enrol('ada 2', second)));
    // Nor one that says it is that ticket, unless it makes an operator.
    const same = { operator: 'mallory-2', hosts: 9, invite: 'adasadasadasadasadasAA' };
    codes.push(codeOf(await bench.enrol('mallory-2', same)));
    const full = fullKeys(state);
    const stolen = bench.id('idp');
    expect(before).toEqual([]);
    await bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root' });
    bench.paper.replace('idp at once');
    await bench.start({ epoch: 2 });
    codes.push(codeOf(await bench.enrol('trudy', { invite: 'trudytrudytrudytrudyAA' })));
    return { codes, full: full.map((key) => key === stolen), after: fullKeys(state) };
  }
  const codeOf = (reply: Reply) => (reply.kind === 'error' ? reply.code : reply.kind);

  it('makes as many as tickets are taken of one key, which is an alarm; the next key has room', async () => {
    expect(await attack(Controller)).toEqual({
      codes: ['grant', 'TICKETS_FULL', 'TICKETS_FULL', 'grant', 'TICKETS_FULL', 'grant'],
      full: [true],
      after: [],
    });
  });

  it('control: as many as it likes', async () => {
    const { codes } = await attack(Unbounded);
    expect(codes).toEqual(['grant', 'grant', 'grant', 'grant', 'grant', 'grant']);
  });
});

describe('a thief of the identity provider’s key that has hosts join', () => {
  async function attack(make: typeof Controller) {
    const bench = new Bench((id, idp) => new make(id, idp));
    await bench.start();
    const { state } = bench.controller;
    state.joins.set(bench.id('idp'), limits.joinsOfKeyMax - 2);
    const ticket = { operator: 'mallory', hosts: 1000 };
    const replies = [];
    for (const key of ['one', 'two', 'three', 'two']) replies.push(await bench.enrol(key, ticket));
    const codes = replies.map((reply) => (reply.kind === 'error' ? reply.code : reply.kind));
    return { codes, full: fullKeys(state).length };
  }
  it('has a bounded number join with one key, which is an alarm; hosts that have joined are answered', async () => {
    expect(await attack(Controller)).toEqual({ codes: ['grant', 'grant', 'TICKETS_FULL', 'grant'], full: 1 });
  });
  it('control: as many as it likes', async () => {
    expect((await attack(Unbounded)).codes).toEqual(['grant', 'grant', 'grant', 'grant']);
  });
});

/** With the guard off: who joined with a ticket of a key that was the thief's stays a member. */
class Keeping extends Controller {
  override handle(event: ControllerEvent, now: number, rules?: number): Handled<ControllerEffect> {
    for (const member of this.state.keys.values()) member.at = -1;
    return super.handle(event, now, rules);
  }
}

describe('a thief of the identity provider’s key that joined with a key of its own as an existing operator', () => {
  async function attack(make: typeof Controller) {
    const bench = new Bench((id, idp) => new make(id, idp));
    await bench.start();
    await bench.members('ada', 'bob');
    const since = bench.controller.state.log.size;
    // No leaf says so: the operator has one.
    await bench.enrol('thief', { operator: 'ada', invite: 'thiefthiefthiefthiefAA' });
    await bench.enrol('asks', { operator: 'publisher', role: 'publisher' });
    bench.present('ada', 'thief');
    await bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root', since });
    const renewed = async (key: string) => {
      const token = bench.token(`renew ${key}`);
      bench.send({
        kind: 'renew',
        token,
        enrol: await bench.paper.enrol(key, bench.now, 'againagainagainagainAA'),
      });
      const reply = bench.lastReply(token);
      return reply.kind === 'error' ? reply.code : reply.kind;
    };
    const present = [...bench.controller.state.presence.workers.keys()];
    const { members } = membersPage(bench.controller.state, 10);
    return {
      listed: members.map(({ key, operator, state, by }) => {
        expect(by).toBe(bench.id('idp'));
        return [bench.nameOf(key), operator, state];
      }),
      present: present.map((id) => bench.nameOf(id)),
      renewed: await Promise.all(['ada', 'thief', 'asks'].map(renewed)),
    };
  }

  it('is no member any more, and the operator still is', async () => {
    expect(await attack(Controller)).toEqual({
      present: ['ada'],
      renewed: ['grant', 'KEY_NOT_ENROLLED', 'KEY_NOT_ENROLLED'],
      listed: [
        ['ada', 'ada', 'member'],
        ['bob', 'bob', 'member'],
        ['thief', 'ada', 'dismissed'],
        ['asks', 'publisher', 'dismissed'],
      ],
    });
  });

  it('but a key that is replaced, from now on, dismisses nobody', async () => {
    const bench = new Bench();
    await bench.start();
    await bench.members('ada');
    await bench.enrol('second host', { operator: 'ada', invite: 'ownerownerownerownerAA' });
    bench.present('second host');
    await bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root' });
    expect(bench.controller.state.presence.workers.size).toBe(1);
  });

  it.each([
    ['', { invite: 'ownerownerownerownerAA' }],
    [', also where it has the name of the one before', {}],
  ])('comes back with a ticket of the key of now alone%s', async (_what, again) => {
    const bench = new Bench();
    await bench.start();
    const since = bench.controller.state.log.size;
    await bench.enrol('bob');
    const revoked = await bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root', since });
    expect(revoked).toMatchObject({ kind: 'revoked' });
    bench.paper.replace('idp at once');
    await bench.start({ epoch: 2 });
    expect(await bench.enrol('bob', again)).toMatchObject({
      grant: { iss: bench.paper.idp.id, operator: 'bob' },
    });
    const before = snapshot(bench.controller.state);
    bench.replay();
    expect(snapshot(bench.controller.state)).toBe(before);
  });

  it('control: has grants of the next key, and votes as that operator', async () => {
    expect(await attack(Keeping)).toMatchObject({
      present: ['ada', 'thief'],
      renewed: ['grant', 'grant', 'grant'],
    });
  });
});
