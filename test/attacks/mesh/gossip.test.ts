import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import type { Mesh } from '../../../src/mesh/index.ts';
import { bytes, collect, heartbeat, node, subscribers, text, until } from '../../mesh/harness.ts';
import { addressesOf, connect, type Plain, plain, pour } from './plain.ts';

const subscribersOf = (mesh: Plain, topic: string): number =>
  mesh.services.pubsub.getSubscribers(topic).length;

describe('an attacker sends an honest node’s bytes first, where they are refused', () => {
  /** The victim accepts the document from its author only, and on its own topic only. */
  async function victim(honest: () => string): Promise<{ mesh: Mesh; heard: Set<string> }> {
    const mesh = await node({ topics: ['jobs', 'notes'] });
    const heard = collect(mesh);
    mesh.subscribe('notes', () => {});
    mesh.setValidator('jobs', async (from) => (from === honest() ? 'accept' : 'reject'));
    mesh.setValidator('notes', async () => 'reject');
    return { mesh, heard };
  }

  test('the document arrives all the same', async () => {
    let author = '';
    const { mesh, heard } = await victim(() => author);
    const honest = await node();
    author = honest.id;
    const attacker = await node({ topics: ['jobs', 'notes'] });
    await attacker.connect(mesh.addresses());
    await honest.connect(mesh.addresses());
    await until('subscriptions known', () => subscribers(attacker) >= 1 && subscribers(honest) >= 1);
    await attacker.publish('jobs', bytes('the offer'));
    await attacker.publish('notes', bytes('the offer'));
    await until('both refused', () => mesh.stats().gossipRejected === 2);
    await honest.publish('jobs', bytes('the offer'));
    await until('the offer arrives', () => heard.has('the offer'));
  });

  test('control: with an id made of the data alone, the document is lost', async () => {
    const msgIdFn = (message: { data: Uint8Array }): Uint8Array => sha256(message.data);
    const [mesh, honest, attacker] = await Promise.all([0, 1, 2].map(() => plain({ msgIdFn })));
    if (mesh === undefined || honest === undefined || attacker === undefined) throw new Error('unreachable');
    const heard: string[] = [];
    let refused = 0;
    mesh.services.pubsub.addEventListener('message', ({ detail }) => heard.push(text(detail.data)));
    mesh.services.pubsub.subscribe('jobs');
    mesh.services.pubsub.topicValidators.set('jobs', async (_peer, message) => {
      if (message.type === 'signed' && message.from.equals(honest.peerId)) return 'accept' as never;
      refused += 1;
      return 'reject' as never;
    });
    await connect(attacker, mesh);
    await connect(honest, mesh);
    await until('known', () => subscribersOf(attacker, 'jobs') === 1 && subscribersOf(honest, 'jobs') === 1);
    await attacker.services.pubsub.publish('jobs', bytes('the offer'));
    await until('refused', () => refused === 1);
    await honest.services.pubsub.publish('jobs', bytes('the offer'));
    await honest.services.pubsub.publish('jobs', bytes('another'));
    await until('what was said after it is heard', () => heard.includes('another'));
    expect(heard).toEqual(['another']);
  });
});

describe('a neighbour floods with invalid messages', () => {
  /** The library looks at a neighbour's score at its heartbeats: four of them. */
  const FLOOD = 200;

  async function flood(victim: Mesh | Plain, judged: () => number): Promise<number> {
    const attacker = await plain({ floodPublish: true });
    await connect(attacker, victim);
    await until('known', () => subscribersOf(attacker, 'jobs') === 1);
    for (let i = 0; i < FLOOD; i++) {
      await attacker.services.pubsub.publish('jobs', bytes(`junk ${i}`)).catch(() => {});
      if (i % 50 === 49) await heartbeat('libp2p' in victim ? victim : { libp2p: victim as never });
    }
    return judged();
  }

  test('after some it is not listened to any more, while others are', async () => {
    const victim = await node();
    const heard = collect(victim);
    let judged = 0;
    victim.setValidator('jobs', async (_from, data) => {
      judged += 1;
      return text(data).startsWith('junk') ? 'reject' : 'accept';
    });
    expect(await flood(victim, () => judged)).toBeLessThan(FLOOD - 20);
    const after = judged;
    const honest = await node();
    await honest.connect(victim.addresses());
    await until('known', () => subscribers(honest) === 1);
    await honest.publish('jobs', bytes('fine'));
    await until('heard', () => heard.has('fine'));
    expect(judged).toBe(after + 1);
  });

  test('control: without a score for the topic every one of them is judged', async () => {
    const victim = await plain();
    let judged = 0;
    victim.services.pubsub.subscribe('jobs');
    victim.services.pubsub.topicValidators.set('jobs', async () => {
      judged += 1;
      return 'reject' as never;
    });
    await flood(victim, () => judged);
    await until('all are judged', () => judged === FLOOD);
  });
});

describe('a neighbour pours bytes into its gossip stream', () => {
  const VOLUME = 20 * 1024 * 1024;

  /** An RPC of 64 KiB that says nothing: one unknown field. */
  const rpc = (): Uint8Array => {
    const body = new Uint8Array(65_536);
    body.set([0xfa, 0x01, 0xfb, 0xff, 0x03]);
    const framed = new Uint8Array(body.byteLength + 3);
    framed.set([0x80, 0x80, 0x04]);
    framed.set(body, 3);
    return framed;
  };

  async function attack(victim: Mesh | Plain, ms: number): Promise<number> {
    const attacker = await plain();
    const connection = await attacker.dial(addressesOf(victim));
    await until('known', () => subscribersOf(attacker, 'jobs') === 1);
    const stream = await connection.newStream('/meshsub/1.1.0');
    return pour(stream, rpc(), VOLUME, ms);
  }

  test('it is slowed down to its share', async () => {
    const victim = await node();
    victim.subscribe('jobs', () => {});
    const taken = await attack(victim, 4_000);
    // Burst, four seconds' share, and what fits into window and sockets.
    expect(taken).toBeLessThan(12 * 1024 * 1024);
    expect(victim.stats().gossipThrottled).toBeGreaterThan(0);
  });

  test('control: the library’s own reading takes all there is', async () => {
    const victim = await plain();
    victim.services.pubsub.subscribe('jobs');
    expect(await attack(victim, 120_000)).toBeGreaterThanOrEqual(VOLUME);
  });
});
