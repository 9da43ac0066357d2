import { describe, expect, test, vi } from 'vitest';
import { UNWANTED_BYTES_MIN } from '../../src/mesh/gossip.ts';
import type { Libp2pNode } from '../../src/mesh/libp2p-node.ts';
import {
  bootstrapNode,
  bytes,
  codeOf,
  collect,
  heartbeat,
  node,
  relaysTo,
  subscribers,
  text,
  until,
} from './harness.ts';

describe('gossip', () => {
  test('six nodes that only know the bootstrap node hear every message', async () => {
    const boot = await bootstrapNode();
    const nodes = await Promise.all(Array.from({ length: 6 }, () => node({ bootstrap: boot.addresses() })));
    const heard = nodes.map((mesh) => collect(mesh));
    for (const mesh of nodes) mesh.joinProject('root');
    await until('everybody hears everybody', () => nodes.every((mesh) => subscribers(mesh) >= 5));
    await Promise.all(
      nodes.flatMap((mesh, from) =>
        Array.from({ length: 20 }, (_, i) => mesh.publish('jobs', bytes(`${from}/${i}`))),
      ),
    );
    await until('all delivered', () => heard.every((set) => set.size === 100));
  });

  test('three nodes in a chain: the middle one passes messages on, with the author as sender', async () => {
    const middle = await node();
    const [left, right] = await Promise.all([node(), node()]);
    middle.subscribe('jobs', () => {});
    const from: string[] = [];
    right.subscribe('jobs', (author) => from.push(author));
    await left.connect(middle.addresses());
    await right.connect(middle.addresses());
    await until('subscriptions known', () => relaysTo(middle) === 1 && subscribers(left) >= 1);
    await left.publish('jobs', bytes('hello'));
    await until('it arrives', () => from.length === 1);
    expect(from).toEqual([left.id]);
  });

  test('twelve peers on one address all hear a message', async () => {
    const hub = await node();
    hub.subscribe('jobs', () => {});
    const leaves = await Promise.all(Array.from({ length: 12 }, () => node()));
    const heard = leaves.map((mesh) => collect(mesh));
    await Promise.all(leaves.map((mesh) => mesh.connect(hub.addresses())));
    await until('the hub knows all', () => subscribers(hub) === 12);
    // A message is lost while its author knows no subscriber yet.
    await until('all know a subscriber', () => leaves.every((leaf) => subscribers(leaf) > 0));
    // A mesh that falls apart does so at a heartbeat.
    for (let beats = 0; beats < 3; beats++) await Promise.all([hub, ...leaves].map(heartbeat));
    const [first] = leaves;
    await first?.publish('jobs', bytes('one for all'));
    await until('all but the author hear it', () => heard.slice(1).every((set) => set.has('one for all')));
  });

  test('publishing to nobody is fine, beyond the limit or to an unknown topic is not', async () => {
    const mesh = await node();
    await mesh.publish('jobs', bytes('alone'));
    await mesh.publish('jobs', bytes('alone'));
    expect(await codeOf(mesh.publish('jobs', new Uint8Array(512 * 1024 + 1)))).toBe('MESH_MESSAGE_TOO_LARGE');
    expect(await codeOf(mesh.publish('other', bytes('x')))).toBe('MESH_ARGUMENT_INVALID');
    expect(() => mesh.subscribe('other', () => {})).toThrow(/not opened for the topic/);
  });

  test('a message of the largest size passes', async () => {
    const [a, b] = await Promise.all([node(), node()]);
    const sizes: number[] = [];
    b.subscribe('jobs', (_from, data) => sizes.push(data.byteLength));
    b.setValidator('jobs', async () => 'accept');
    await a.connect(b.addresses());
    await until('subscription known', () => subscribers(a) === 1);
    await a.publish('jobs', new Uint8Array(512 * 1024));
    await until('it arrives', () => sizes.length === 1);
    expect(sizes).toEqual([512 * 1024]);
    expect(b.stats().gossipThrottled).toBe(0);
  });

  test('a message that a validator rejects or ignores is neither delivered nor passed on', async () => {
    const [a, judge, c] = await Promise.all([node(), node(), node()]);
    const atJudge = collect(judge);
    const atC = collect(c);
    judge.setValidator('jobs', async (_from, data) => {
      const said = text(data);
      return said.startsWith('bad') ? 'reject' : said.startsWith('odd') ? 'ignore' : 'accept';
    });
    await a.connect(judge.addresses());
    await c.connect(judge.addresses());
    await until('subscriptions known', () => subscribers(a) === 1 && relaysTo(judge) === 1);
    await a.publish('jobs', bytes('bad'));
    await a.publish('jobs', bytes('odd'));
    await a.publish('jobs', bytes('good'));
    await until('the good one passes', () => atC.has('good'));
    expect([...atJudge]).toEqual(['good']);
    expect([...atC]).toEqual(['good']);
    expect(judge.stats()).toMatchObject({ gossipRejected: 1, gossipIgnored: 1, gossipAccepted: 1 });
  });

  test('unsubscribing ends delivery', async () => {
    const topics = ['jobs', 'notes'];
    const [a, b] = await Promise.all([node({ topics }), node({ topics })]);
    const heard: string[] = [];
    const notes = collect(b, 'notes');
    const stop = b.subscribe('jobs', (_from, data) => heard.push(text(data)));
    await a.connect(b.addresses());
    await until('subscriptions known', () => subscribers(a) === 1 && subscribers(a, 'notes') === 1);
    stop();
    await until('unsubscription known', () => subscribers(a) === 0);
    await a.publish('jobs', bytes('late'));
    await a.publish('notes', bytes('after it'));
    await until('what was said after it is heard', () => notes.has('after it'));
    expect(heard).toEqual([]);
  });
});

describe('IDONTWANT to neighbours about a message that has come', () => {
  test('is sent only where the message is larger than the control message', async () => {
    const nodes = await Promise.all(Array.from({ length: 3 }, () => node()));
    const heard = nodes.map((mesh) => collect(mesh));
    const [author, ...others] = nodes;
    const told = others.map((mesh) => {
      const { pubsub } = (mesh as unknown as { libp2p: Libp2pNode }).libp2p.services;
      if (pubsub === undefined) throw new Error('a node without gossip');
      return vi.spyOn(pubsub as unknown as { sendIDontWants: () => void }, 'sendIDontWants');
    });
    for (const mesh of others) await mesh.connect(author?.addresses() ?? []);
    await others[0]?.connect(others[1]?.addresses() ?? []);
    await until('everybody hears everybody', () => nodes.every((mesh) => subscribers(mesh) >= 2));
    await author?.publish('jobs', bytes('x'.repeat(UNWANTED_BYTES_MIN - 1)));
    await until('the small one is there', () => heard.slice(1).every((set) => set.size === 1));
    expect(told.map((spy) => spy.mock.calls.length)).toEqual([0, 0]);
    await author?.publish('jobs', bytes('x'.repeat(UNWANTED_BYTES_MIN)));
    await until('the large one is there', () => heard.slice(1).every((set) => set.size === 2));
    expect(told.map((spy) => spy.mock.calls.length)).toEqual([1, 1]);
  });
});
