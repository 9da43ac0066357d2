import { describe, expect, test } from 'vitest';
import type { Mesh } from '../../../src/mesh/index.ts';
import { codeOf, echo, node, soon, until } from '../../mesh/harness.ts';
import { addressesOf, connect, type Plain, plain } from './plain.ts';

const places = 8;

/** How a peer gets in, or not, while a place is free. An attacker that was sent away dials again, and may come first. */
async function comesOnce(honest: Mesh, addrs: string[], settled: () => Promise<void>) {
  let comes: string | undefined;
  await until('an honest peer gets in', async () => {
    await settled();
    comes = await codeOf(honest.connect(addrs));
    return comes !== 'MESH_BUSY';
  });
  return comes;
}

describe('an attacker takes every connection there is, with a key for each', () => {
  /** Whether a member that was there before still is, and an honest peer that comes later gets in. */
  async function attack(victim: Mesh | Plain): Promise<{ stays: boolean; comes: string | undefined }> {
    const addrs = addressesOf(victim).map((address) => address.toString());
    const member = await node();
    const id = await member.connect(addrs);
    if ('keep' in victim) victim.keep(member.id);
    /** Our nodes keep a place free. */
    const settled = async () => {
      if ('keep' in victim) await until('a place is free', () => victim.connections().open < places);
    };
    /** On a busy machine an attempt may fail: the attacker goes on until there is no place. */
    const isFull = () => 'keep' in victim || victim.getConnections().length >= places;
    for (let n = 0; n < 4 * places && (n < places + 4 || !isFull()); n++) {
      const attacker = await plain();
      await connect(attacker, victim).catch(() => {});
    }
    await settled();
    const honest = await node();
    const comes =
      'keep' in victim ? await comesOnce(honest, addrs, settled) : await codeOf(honest.connect(addrs));
    await settled();
    return { stays: member.connected().includes(id), comes };
  }

  test('an honest peer still gets in, and a member stays', async () => {
    const victim = await node({ maxConnections: places });
    expect(await attack(victim)).toEqual({ stays: true, comes: undefined });
  });

  test('control: with the library’s limit alone nobody else does', async () => {
    const victim = await plain(
      {},
      { connectionManager: { maxConnections: places, inboundConnectionThreshold: 1000 } },
    );
    expect((await attack(victim)).comes).toBe('MESH_BUSY');
  });
});

describe('an attacker has the victim open the connections, to keys that its DHT was told of', () => {
  /** Connections that are left of those that the victim opened: to attackers, to a peer that it asks something, to one it keeps. */
  async function dialAll(victim: Mesh, prepare: (attacker: Plain) => Promise<unknown> = async () => {}) {
    const asked = await node();
    asked.handle('/quorate/test/1', echo, { maxMessageBytes: 1_000, maxInboundStreams: 1 });
    const kept = await node();
    victim.keep(kept.id);
    await victim.connect(kept.addresses());
    await victim.connect(asked.addresses());
    const peer = { id: asked.id, addrs: asked.addresses() };
    await victim.open(peer, '/quorate/test/1', { signal: soon(), maxMessageBytes: 1_000 });
    for (let n = 0; n < places + 4; n++) {
      const attacker = await plain();
      const held = prepare(attacker);
      await victim.libp2p.dial(attacker.getMultiaddrs()).then(
        () => held,
        () => {},
      );
    }
    // Attackers dial again and again: connections that are refused stay open for a while.
    const settled = () => until('a place is free', () => victim.connections().open < places);
    const comes = await comesOnce(await node(), victim.addresses(), settled);
    return {
      comes,
      asked: victim.connected().includes(asked.id),
      kept: victim.connected().includes(kept.id),
    };
  }

  test('an honest peer still gets in; peers that are in use or kept stay', async () => {
    const victim = await node({ maxConnections: places });
    expect(await dialAll(victim)).toEqual({ comes: undefined, asked: true, kept: true });
  });

  test('also where the attackers hold their places with a stream each', async () => {
    const victim = await node({ maxConnections: places });
    const protocol = '/quorate/held/1';
    let held = 0;
    victim.handle(
      protocol,
      () => {
        held++;
        return new Promise(() => {});
      },
      { maxMessageBytes: 1_000, maxInboundStreams: 1 },
    );
    const hold = (attacker: Plain) =>
      new Promise<void>((resolve) => {
        attacker.addEventListener('connection:open', async ({ detail }) => {
          await detail.newStream(protocol).catch(() => {});
          resolve();
        });
      });
    expect(await dialAll(victim, hold)).toEqual({ comes: undefined, asked: true, kept: true });
    expect(held).toBeGreaterThan(places / 2);
  });
});
