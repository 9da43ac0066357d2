import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { snapshot } from '../../../simulations/snapshot.ts';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import { lostInRestore } from '../../../src/protocol/account/index.ts';
import { leaves } from '../../../src/protocol/documents/index.ts';
import { Bench, built, deliverAll, leasedRound, projectOf } from './bench.ts';

type Recovered = Extract<ControllerEvent, { kind: 'recovered' }>;

const idOfKey = (name: string) => standIn.signer(name).id;

/** A controller whose journal has the first `events` of another, and takes the leaves that it lacks; `over`: what else the event says. */
async function restored(bench: Bench, events: number, over: Partial<Recovered> = {}): Promise<Bench> {
  const copy = new Bench();
  copy.journal.push(...bench.journal.slice(0, events));
  copy.now = bench.now;
  copy.replay();
  const { log, revocations } = bench.controller.state;
  const from = copy.controller.state.log.size;
  const taken = { from, leaves: log.leaves(from, log.size), charters: [], revocations: [...revocations] };
  copy.send({ kind: 'recovered', ...taken, epoch: 0, ...over });
  await copy.start();
  return copy;
}

describe('leaves that came back from members', () => {
  it('continue the log, and the fence epoch exceeds what the copy and the members say', async () => {
    const bench = await projectOf('ada');
    const events = bench.journal.length;
    await bench.members('bob');
    const { log } = bench.controller.state;
    const copy = await restored(bench, events);
    expect(copy.controller.state.log.leaves()).toEqual(log.leaves());
    expect(copy.controller.state.epoch).toBe(1_002);
    expect((await restored(bench, events, { epoch: 5_000 })).controller.state.epoch).toBe(5_001);
    // A second restore of the same copy: the log has grown since the first.
    await bench.members('cy');
    const again = await restored(bench, events);
    expect(again.controller.state.epoch).toBeGreaterThan(copy.controller.state.epoch + 900);
    const before = snapshot(copy.controller.state);
    copy.replay();
    expect(snapshot(copy.controller.state)).toBe(before);
    expect(
      copy.send({ kind: 'recovered', from: 3, leaves: ['lost 3'], charters: [], revocations: [], epoch: 0 }),
    ).toEqual([]);
    expect(snapshot(copy.controller.state), 'leaves that do not follow the log').toBe(before);
  });

  it('end the runs that they are about, and no other', async () => {
    const { bench, run, leases } = await leasedRound();
    const other = await bench.submit({ name: 'other' });
    const events = bench.journal.length;
    await bench.deliver('ada', leases.get('ada'));
    const copy = await restored(bench, events);
    expect(copy.facts(run).phase).toMatchObject({
      kind: 'cancelled',
      reason: lostInRestore,
    });
    expect(copy.facts(other).phase.kind).not.toBe('cancelled');
    expect(copy.all('release').map(({ worker }) => worker)).toContain(bench.id('ada'));
  });

  it('bring charters and revocations back, with what follows from them', async () => {
    const bench = await projectOf('ada', 'bob');
    const run = await bench.submit({ policy: { agree: 1, of: 1 } });
    const leases = await bench.lease('ada');
    const events = bench.journal.length;
    const floor = { agree: 2, of: 2, cosign: 'none' as const, rounds: 8 };
    const charter = await bench.paper.charter({ epoch: 2, floor });
    bench.send({ kind: 'charter', charter });
    await bench.revoke({ kind: 'operator', id: 'ada' }, { since: 0 });
    expect(leases.size).toBe(1);
    const copy = await restored(bench, events, { charters: [charter] });
    const { state } = copy.controller;
    expect(state.charter?.payload.epoch).toBe(2);
    expect(state.revocations.map(({ index }) => index)).toEqual([state.log.size - 1]);
    expect(copy.facts(run).phase, 'below the floor').toMatchObject({ kind: 'cancelled' });
    expect(state.leases.size, 'the lease of an operator that was revoked').toBe(0);
  });
});

describe('leaves that came back without their documents', () => {
  it('have them later: of charters the newest one, which is in force then', async () => {
    const bench = await projectOf('ada');
    const events = bench.journal.length;
    await bench.revoke({ kind: 'operator', id: 'ada' });
    const charters = [];
    for (const epoch of [2, 3]) {
      const charter = await bench.paper.charter({ epoch });
      bench.send({ kind: 'charter', charter });
      charters.push(charter);
    }
    const copy = await restored(bench, events, { revocations: [] });
    const { state } = copy.controller;
    const [second, third] = charters;
    const [revocation] = bench.controller.state.revocations;
    if (second === undefined || third === undefined || revocation === undefined)
      throw new Error('all are there');
    expect([...state.withheld.keys()]).toEqual([revocation.revocation.id, third.id]);
    const later = (over: Partial<Recovered>) => {
      const none = { from: 0, leaves: [], charters: [], revocations: [], epoch: 0 };
      copy.send({ kind: 'recovered', ...none, ...over });
      return [state.charter?.payload.epoch, state.revocations.length, state.withheld.size];
    };
    expect(later({ charters: [second] })).toEqual([1, 0, 2]);
    expect(later({ charters: [third] })).toEqual([3, 0, 1]);
    expect(later({ revocations: [revocation] })).toEqual([3, 1, 0]);
    expect(state.revocations[0]?.index).toBe(revocation.index);
    expect(later({ revocations: [revocation], charters: [third] })).toEqual([3, 1, 0]);
  });

  it('of a verdict end the runs of its job', async () => {
    const { bench, run } = await leasedRound();
    const other = await bench.submit({ name: 'other' });
    const lost = [leaves.verdict('a'.repeat(64), bench.run(run).jobId)];
    const copy = await restored(bench, bench.journal.length, { leaves: lost });
    expect([copy.facts(run), copy.facts(other)].map(({ phase }) => phase.kind)).toEqual([
      ...['cancelled', 'building'],
    ]);
  });

  it('admit operators, in the order of their leaves', async () => {
    const bench = await projectOf('ada');
    const { size } = bench.controller.state.log;
    const lost = [leaves.enrol('bob', 'worker', 'i'), leaves.enrol('bob', 'worker', 'j')];
    const copy = await restored(bench, bench.journal.length, { leaves: [...lost, 'enrol cy king k'] });
    expect(copy.controller.state.operators.worker.get('bob')).toBe(size);
    expect(copy.controller.state.operators.worker.has('cy')).toBe(false);
  });
});

describe('a request whose rounds came back', () => {
  it('is not taken again: RUN_LOST', async () => {
    const bench = await projectOf('ada');
    await bench.enrol('publisher', { role: 'publisher' });
    const events = bench.journal.length;
    await bench.submit();
    const submitted = bench.journal.find(({ event }) => event.kind === 'submit')?.event;
    const copy = await restored(bench, events);
    if (submitted?.kind === 'submit') copy.send({ ...submitted, token: 'again' });
    expect(copy.lastReply('again')).toMatchObject({ kind: 'error', code: 'RUN_LOST' });
  });

  it('is one of before where the copy has it', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    bench.cosign(run);
    bench.store(run);
    const copy = await restored(bench, bench.journal.length);
    expect(copy.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
  });
});

describe('a member that joined after the copy was made', () => {
  /** `bob` joined, and shows its grant to a controller that was restored; `over`: what the grant says otherwise. */
  async function joins({
    as = 'bob',
    change = async (_: Bench) => {},
    over = {},
    by,
    recovers = true,
    joined = 0,
  }: {
    as?: string;
    change?: (bench: Bench) => Promise<unknown>;
    over?: object;
    by?: string;
    recovers?: boolean;
    /** Hosts that joined with tickets of that key. */
    joined?: number;
  } = {}) {
    const bench = new Bench();
    await bench.start();
    await bench.members('ada');
    const events = bench.journal.length;
    await bench.members('trusted', 'bob');
    await change(bench);
    const copy = await restored(bench, events);
    copy.controller.state.recovered = recovers;
    copy.controller.state.joins.set(bench.id('idp'), joined);
    const payload = { ...bench.grantOf(as).payload, ...over };
    const grant = await bench.paper.grant(payload);
    const signer = by === undefined ? grant.signer : bench.id(by);
    copy.send({ kind: 'readmit', grant: { ...grant, signer } });
    const { durability } = copy;
    expect(copy.controller.state.keys.has(bench.id(as)), 'is a member').toBe(durability === 'sync');
    return copy.controller.state.keys.get(bench.id(as));
  }

  it('is one again by its grant, also where that has run out', async () => {
    expect(await joins()).toMatchObject({ operator: 'bob', role: 'worker', enrolled: 3 });
    expect(await joins({ over: { exp: 1_767_225_601 } })).toMatchObject({ operator: 'bob' });
    expect(await joins({ as: 'trusted' })).toMatchObject({ role: 'trusted-worker' });
    expect(await joins({ joined: 99_999 })).toMatchObject({ operator: 'bob' });
  });

  it.each<[string, Parameters<typeof joins>[0]]>([
    ['where the journal never was a copy', { recovers: false }],
    ['where 100,000 hosts joined with tickets of that key', { joined: 100_000 }],
    [
      'as a trusted worker whose grant is of a key that the root ended',
      {
        as: 'trusted',
        change: (bench) => bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root', since: 0 }),
      },
    ],
    ['with the grant of another project', { over: { project: idOfKey('another') } }],
    ['with an operator that the log has elsewhere', { over: { enrolled: 1 } }],
    ['with a grant that no identity provider of the charter signed', { by: 'ada' }],
    ['whose operator is revoked', { change: (bench) => bench.revoke({ kind: 'operator', id: 'bob' }) }],
    [
      'where the root ended a key: nothing tells with whose ticket it joined',
      {
        change: (bench) =>
          bench.revoke({ kind: 'key', id: bench.id('another idp') }, { as: 'root', since: 0 }),
      },
    ],
    [
      'as a trusted worker that the charter does not name',
      { as: 'trusted', over: { sub: idOfKey('another') } },
    ],
  ])('is none %s', async (_, how) => {
    expect(await joins(how)).toBeUndefined();
  });

  it('is one where the root ended a key and the charter names it', async () => {
    const change = (bench: Bench) =>
      bench.revoke({ kind: 'key', id: bench.id('another idp') }, { as: 'root', since: 0 });
    expect(await joins({ as: 'trusted', change })).toMatchObject({ role: 'trusted-worker' });
  });
});

it('fills the place of a leaf that nobody was promised', async () => {
  const bench = await projectOf('ada');
  const events = bench.journal.length;
  const copy = await restored(bench, events, { leaves: [leaves.lost(3), leaves.receipt('r', 'o')] });
  expect(copy.controller.state.log.leaves(3, 5)).toEqual(['lost 3', 'receipt r offer o']);
});
