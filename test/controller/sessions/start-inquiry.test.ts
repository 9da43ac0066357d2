import { describe, expect, it } from 'vitest';
import { capabilities } from '../../../simulations/paperwork.ts';
import { HeldLog, type HeldLogPorts } from '../../../src/controller/sessions/held-log.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import {
  type Ack,
  type Lease,
  leaves,
  signMessage,
  type Verified,
} from '../../../src/protocol/documents/index.ts';
import { bundleServer } from '../../../src/protocol/sessions/bundle-exchange.ts';
import type { HeldLease } from '../../../src/protocol/sessions/revocation-exchange.ts';
import { formatCheckpoint, MerkleTree, signCheckpoint } from '../../../src/protocol/transparency/index.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { pair } from '../../protocol/sessions/channel-pair.ts';
import { floor, minute, Start, settle, started } from '../../protocol/sessions/start-desk.ts';
import { deliverAll, leasedRound, projectOf } from '../machine/bench.ts';

it('looks at more checkpoints and promises of members than a function takes arguments', async () => {
  const { copy, bench } = await started();
  const { project } = bench.paper;
  const held = new HeldLog({ project, machine: copy.controller } as HeldLogPorts);
  const { size } = copy.controller.state.log;
  for (let more = 1; more <= 200_000; more++) held.see({ size: size + more, root: 'a'.repeat(64) });
  expect(held.size).toBe(size + 200_000);
});

describe('a start of a log that has members', () => {
  it('waits for a trusted worker', async () => {
    const start = await started();
    expect(await start.after(minute)).toBe('waits');
    expect(start.inquiry.waits).toEqual({
      trusted: [start.bench.id('trusted')],
      operators: 2,
      leaves: 4,
      shown: 4,
    });
    start.hello('trusted');
    expect(await start.after(minute)).toBe('starts');
    expect(start.inquiry.waits).toBeNull();
  });

  it('or for as many operators as the floor asks for', async () => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    start.hello('ada');
    start.hello('cy');
    expect(await start.after(minute), 'cy is none that the journal knows').toBe('waits');
    expect(start.inquiry.waits).toMatchObject({ operators: 1 });
    start.hello('bob');
    expect(await start.after(minute)).toBe('starts');
  });

  it('gives each member 30 s', async () => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    start.hello('ada', { isSilent: true });
    start.hello('trusted');
    expect(await start.after(29_000)).toBe('waits');
    expect(await start.after(2_000)).toBe('starts');
  });

  it('asks nobody where its owner says so, and says what that risks', async () => {
    const start = await started({ alone: true });
    expect(await start.after(0)).toBe('starts');
    expect(start.told).toEqual(['alone']);
  });

  it('asks nobody where there are no members yet', async () => {
    expect(await (await started({}, 1)).after(0)).toBe('starts');
    const lost = await started({ journalLost: true }, 0);
    expect(await lost.after(minute), 'a lost journal does not say').toBe('waits');
  });

  it('asks where leaves came back and no member has yet', async () => {
    const start = await started({ journalLost: true }, 0);
    const { log } = start;
    start.copy.send({
      kind: 'recovered',
      from: 0,
      leaves: [...log.leaves()],
      charters: [],
      revocations: [],
      epoch: 0,
    });
    const again = new Start(start.bench, 0);
    again.copy.controller.state.recovered = true;
    expect(await again.after(minute)).toBe('waits');
  });

  it('ends where the process does', async () => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    start.clock.closing = true;
    start.close();
    expect(await start.after(5_000)).toBe('CONTROLLER_STOPPED');
  });
});

describe('leaves that the journal lacks', () => {
  it('come from a trusted worker, once others had time to show more', async () => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    start.hello('trusted', { note: await start.note(), leaves: start.log.leaves() });
    expect(await start.after(20_000)).toBe('waits');
    expect(await start.after(20_000)).toEqual(start.log.leaves(4, 5));
    expect(start.told).toContain('recovered');
  });

  it('are all of them where the journal is lost, and its members with it', async () => {
    const start = await started({ journalLost: true }, 0);
    expect(await start.after(0)).toBe('waits');
    start.hello('trusted', { note: await start.note(), leaves: start.log.leaves() });
    expect(await start.after(20_000)).toBe('waits');
    expect(await start.after(20_000)).toEqual(start.log.leaves());
  });

  it('are waited for where operators show that there are some', async () => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    start.hello('ada', { note: await start.note() });
    start.hello('bob');
    expect(await start.after(minute)).toBe('waits');
    expect(start.inquiry.waits).toMatchObject({ leaves: 4, shown: 5 });
    start.hello('trusted', { leaves: start.log.leaves() });
    expect(await start.after(minute)).toEqual(start.log.leaves(4, 5));
  });

  it('are not taken from a trusted worker that lies', async () => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    start.hello('trusted', {
      note: await start.note(),
      leaves: start.log.leaves().map((leaf) => `${leaf} or so`),
    });
    expect(await start.after(minute)).toBe('waits');
    start.members.set(start.bench.id('trusted'), { leaves: start.log.leaves() });
    start.hello('ada');
    expect(await start.after(minute)).toEqual(start.log.leaves(4, 5));
  });

  it('are those of the largest checkpoint, also of one that is shown while they are fetched', async () => {
    const start = await started();
    const larger = await started();
    await larger.bench.members('dan');
    const all = { note: await larger.note(), leaves: larger.log.leaves() };
    expect(await start.after(0)).toBe('waits');
    start.beforeLeaves = async () => {
      start.beforeLeaves = async () => {};
      start.members.set(start.bench.id('trusted'), all);
      start.hello('cy', all);
      await settle();
    };
    start.hello('trusted', { note: await start.note(), leaves: start.log.leaves() });
    expect(await start.after(minute)).toBe('waits');
    expect(await start.after(minute)).toEqual(larger.log.leaves(4, 6));
  });

  it('are known from the checkpoint that the controller signed last', async () => {
    const start = await started();
    start.checkpoint = { size: 5, root: start.log.root() };
    expect(await start.after(0)).toBe('waits');
    expect(start.inquiry.waits).toMatchObject({ leaves: 4, shown: 5 });
    start.hello('trusted', { leaves: start.log.leaves() });
    expect(await start.after(minute)).toEqual(start.log.leaves(4, 5));
    const alone = await started({ alone: true });
    alone.checkpoint = start.checkpoint;
    expect(await alone.after(0)).toBe('LOG_BEHIND_CHECKPOINT');
  });
});

describe('a log that is not the one of the journal', () => {
  const other = (size: number) => new MerkleTree(Array.from({ length: size }, (_, n) => `other ${n}`));

  it('stops the start: a checkpoint of as many leaves has another root', async () => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    start.hello('ada', { note: await start.note(3, other(3)) });
    expect(await start.after(minute)).toBe('LOG_CONTRADICTED');
  });

  it('stops the start: a trusted worker has the leaves of a larger one', async () => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    start.hello('trusted', { note: await start.note(6, other(6)), leaves: other(6).leaves() });
    expect(await start.after(minute)).toBe('LOG_CONTRADICTED');
  });

  it('stops the start: of two larger ones one does not go on from the other', async () => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    const another = new MerkleTree([...start.log.leaves(0, 4), 'another', 'and another']);
    start.hello('ada', { note: await start.note(5) });
    start.hello('trusted', { note: await start.note(6, another), leaves: another.leaves() });
    expect(await start.after(minute)).toBe('LOG_CONTRADICTED');
  });

  it('is none of this controller where another key signed it', async () => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    const { project, root } = start.bench.paper;
    const body = formatCheckpoint({ project, size: 3, root: other(3).root() });
    start.hello('trusted', { note: await signCheckpoint(body, root) });
    expect(await start.after(minute)).toBe('starts');
  });

  it.each<[string, number, string[]]>([
    ['is larger', 6, ['LOG_BEHIND_MEMBER']],
    ['is another', 3, ['LOG_CONTRADICTED']],
    ['fits', 0, []],
  ])('stops a controller that has started: it %s', async (_, size, codes) => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    start.hello('trusted');
    expect(await start.after(minute)).toBe('starts');
    start.hello('cy', { note: size === 0 ? await start.note(4) : await start.note(size, other(size)) });
    await start.after(1_000);
    expect(start.stopped).toEqual(codes);
  });

  it('stops it also where the member shows no charter', async () => {
    const start = await started();
    start.hello('trusted');
    await start.after(minute);
    start.hello('cy', { note: await start.note(6, other(6)), charter: 'none' });
    await start.after(1_000);
    expect(start.stopped).toEqual(['LOG_BEHIND_MEMBER']);
  });

  it('stops a controller that started while the member was asked', async () => {
    const asked = await started();
    expect(await asked.after(0)).toBe('waits');
    asked.hello('cy', { note: await asked.note(6, other(6)) });
    asked.inquiry.open();
    await asked.after(1_000);
    expect(asked.stopped).toEqual(['LOG_BEHIND_MEMBER']);
    const answered = await started();
    expect(await answered.after(0)).toBe('waits');
    answered.hello('cy', { note: await answered.note(6, other(6)) });
    await answered.after(1_000);
    answered.inquiry.open();
    expect(answered.stopped).toEqual(['LOG_BEHIND_MEMBER']);
  });
});

describe('a charter that a member shows after the start', () => {
  it.each([
    ['is newer', 2, [2]],
    ['is the one in force', 1, []],
  ])('is taken where it is newer: it %s', async (_, epoch, taken) => {
    const start = await started();
    expect(await start.after(0)).toBe('waits');
    start.hello('ada');
    start.hello('bob');
    expect(await start.after(minute)).toBe('starts');
    const { raw } = await start.bench.paper.charter({ floor, epoch, name: 'another' });
    start.hello('cy', { charter: raw });
    await start.after(1_000);
    expect(start.taken).toEqual(taken);
  });
});

describe('a signed promise of the controller', () => {
  /** A round whose leases `ada` and `bob` hold; the receipt of `bob` is the last leaf, under no checkpoint, and two of others are before it. */
  async function promised() {
    const { bench, leases } = await leasedRound();
    const events = bench.journal.length;
    const acks = new Map<string, Verified<Ack>>();
    for (const name of ['ada', 'cy', 'bob']) {
      const reply = await bench.deliver(name, leases.get(name));
      if (reply.kind !== 'ack') throw new Error('it is acknowledged');
      acks.set(name, await signMessage('ack', reply.ack, bench.paper.controller));
    }
    const found = (name: string): Verified<Ack> => {
      const ack = acks.get(name);
      if (ack === undefined) throw new Error(`${name} has an ack`);
      return ack;
    };
    const heldBy = (name: string, of = name): HeldLease => ({
      lease: leases.get(name)?.raw ?? '',
      ack: found(of).raw,
    });
    const leaseOf = (name: string): Lease => {
      const lease = leases.get(name);
      if (lease === undefined) throw new Error(`${name} has a lease`);
      return lease.payload;
    };
    const ackOf = (name: string): Ack => found(name).payload;
    return { start: new Start(bench, events), heldBy, ackOf, leaseOf };
  }

  it('has its place in the log, and a leaf in between that nobody holds is filled', async () => {
    const { start, heldBy } = await promised();
    const { size } = start.copy.controller.state.log;
    expect(await start.after(0)).toBe('waits');
    start.hello('bob', { leases: [heldBy('bob')] });
    start.hello('trusted');
    const [, , last] = start.log.leaves(size);
    expect(await start.after(minute)).toEqual([leaves.lost(size), leaves.lost(size + 1), last]);
    expect(start.copy.controller.state.epoch).toBe(3_001);
  });

  it('covers the place of an offer too, which the worker shows with its lease', async () => {
    const { start, heldBy } = await promised();
    const { size } = start.copy.controller.state.log;
    const { bench } = start;
    const offer = await signMessage('offer', { ...bench.offer, index: size + 1 }, bench.paper.controller);
    expect(await start.after(0)).toBe('waits');
    start.hello('bob', { leases: [{ lease: heldBy('bob').lease, offer: offer.raw }] });
    start.hello('trusted');
    const { job, request } = bench.offer;
    expect(await start.after(minute)).toEqual([leaves.lost(size), leaves.offer(offer.id, job, request)]);
  });

  it('is of the key that this controller has now', async () => {
    const { start, heldBy } = await promised();
    start.bench.paper.replace('controller');
    const next = new Start(start.bench, start.copy.journal.length);
    expect(await next.after(0)).toBe('waits');
    next.hello('bob', { leases: [heldBy('bob')] });
    next.hello('trusted');
    expect(await next.after(minute)).toBe('starts');
  });

  it('is not what the member signed itself', async () => {
    const { start, heldBy, ackOf, leaseOf } = await promised();
    const bob = start.bench.paper.keys.signer('bob');
    const { offer } = start.bench;
    const own = { iss: bob.id };
    const ack = await signMessage('ack', { ...ackOf('bob'), ...own }, bob);
    const lease = await signMessage('lease', { ...leaseOf('bob'), ...own, fence: { epoch: 99, n: 1 } }, bob);
    const another = await signMessage('offer', { ...offer, ...own, index: 50 }, bob);
    expect(await start.after(0)).toBe('waits');
    const { lease: held } = heldBy('bob');
    start.hello('bob', { leases: [{ lease: held, ack: ack.raw, offer: another.raw }, { lease: lease.raw }] });
    start.hello('trusted');
    expect(await start.after(minute)).toBe('starts');
  });

  it('tells the epoch of fences', async () => {
    const { start, heldBy } = await promised();
    start.copy.controller.state.epoch = 0;
    expect(await start.after(0)).toBe('waits');
    const { lease } = heldBy('ada');
    start.hello('ada', { leases: [{ lease }] });
    start.hello('trusted');
    expect(await start.after(minute)).toEqual([]);
  });

  it('completes the leaves that a trusted worker kept', async () => {
    const { start, heldBy } = await promised();
    const { size } = start.copy.controller.state.log;
    expect(await start.after(0)).toBe('waits');
    start.hello('bob', { note: await start.note(size + 1), leases: [heldBy('bob')] });
    start.hello('ada', { leases: [heldBy('ada')] });
    start.hello('trusted', { leaves: start.log.leaves(0, size) });
    expect(await start.after(minute)).toEqual([
      start.log.leaves()[size],
      leaves.lost(size + 1),
      start.log.leaves()[size + 2],
    ]);
  });

  it('holds for the member that shows it, about the lease that it shows', async () => {
    const { start, heldBy, ackOf } = await promised();
    expect(await start.after(0)).toBe('waits');
    start.hello('ada', { leases: [heldBy('bob')] });
    // To itself, about another lease.
    const ack = await signMessage(
      'ack',
      { ...ackOf('bob'), aud: start.bench.id('cy') },
      start.bench.paper.controller,
    );
    start.hello('cy', { leases: [{ ...heldBy('cy'), ack: ack.raw }] });
    start.hello('trusted');
    expect(await start.after(minute)).toBe('starts');
  });

  it('contradicts a journal that has something else there', async () => {
    const { start, ackOf, heldBy } = await promised();
    expect(await start.after(0)).toBe('waits');
    const ack = await signMessage('ack', { ...ackOf('bob'), index: 1 }, start.bench.paper.controller);
    start.hello('bob', { leases: [{ ...heldBy('bob'), ack: ack.raw }] });
    start.hello('trusted');
    expect(await start.after(minute)).toBe('LOG_CONTRADICTED');
  });

  it('contradicts a log that has something else there', async () => {
    const { start, heldBy } = await promised();
    expect(await start.after(0)).toBe('waits');
    const another = new MerkleTree([...start.log.leaves().slice(0, -1), 'another']);
    start.hello('bob', { leases: [heldBy('bob')] });
    start.hello('trusted', { note: await start.note(another.size, another), leaves: another.leaves() });
    expect(await start.after(minute)).toBe('LOG_CONTRADICTED');
  });
});

describe('a trusted worker that comes back after the start', () => {
  it('is asked for the bundles of runs whose lease it has ended, three times where it gives no answer', async () => {
    const bench = await projectOf('ada', 'bob', 'cy', 'trusted');
    const run = await bench.submit();
    const leases = await bench.lease('ada', 'bob', 'cy', 'trusted');
    await bench.deliver('trusted', leases.get('trusted'));
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    const asked: string[] = [];
    let fails = 1;
    const dial: HeldLogPorts['dial'] = async ({ id }, protocol) => {
      if (protocol !== protocols.bundle) throw reportedError('MESH_UNREACHABLE', 'not asked for here');
      asked.push(id ?? '');
      if (fails-- > 0) throw reportedError('MESH_UNREACHABLE', 'it is busy');
      const [near, far] = pair();
      void bundleServer({ get: async (which) => `of ${which}`, size: async () => 1 }).session(far);
      return near;
    };
    const start = new Start(bench, bench.journal.length, { alone: true, dial });
    const taken: unknown[] = [];
    start.inquiry.signed = async (...given) => void taken.push(given);
    expect(await start.after(0)).toBe('starts');
    await start.copy.start({ epoch: 2 });
    start.copy.now += 1_000;
    for (const key of ['trusted', 'ada'])
      start.copy.send({ kind: 'present', grant: bench.grantOf(key), capabilities, version: null });
    for (const key of ['trusted', 'trusted', 'ada']) start.hello(key);
    await start.after(19_000);
    expect(asked).toEqual([]);
    await start.after(2_000);
    expect([asked, taken]).toEqual([[bench.id('trusted')], []]);
    await start.after(20_000);
    expect(taken).toEqual([[bench.id('trusted'), run, `of ${run}`]]);
    // It showed that one, whatever came of it.
    start.hello('trusted');
    await start.after(minute);
    expect(asked).toHaveLength(2);
    fails = 9;
    const other = new Start(bench, bench.journal.length, { alone: true, dial });
    expect(await other.after(0)).toBe('starts');
    await other.copy.start({ epoch: 2 });
    other.copy.now += 1_000;
    other.copy.send({ kind: 'present', grant: bench.grantOf('trusted'), capabilities, version: null });
    other.hello('trusted');
    await other.after(5 * minute);
    expect(asked).toHaveLength(2 + 3);
  });
});
