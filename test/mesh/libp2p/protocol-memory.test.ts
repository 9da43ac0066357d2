import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { describe, expect, it, vi } from 'vitest';
import { rememberProtocols } from '../../../src/mesh/libp2p/protocol-memory.ts';
import { node, soon } from '../harness.ts';

const somebody = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'));

/** A peer store that only notes what is merged. */
function store(): { store: PeerStore; merged: PeerData[] } {
  const merged: PeerData[] = [];
  const merge = async (_: PeerId, data: PeerData): Promise<Peer> => {
    merged.push(data);
    return {} as Peer;
  };
  return { store: { merge, delete: async () => {} } as unknown as PeerStore, merged };
}

describe('the protocols of a peer', () => {
  it('are written once each, and again once they are old, after a disconnection or a deletion', async () => {
    const [peer, other] = [await somebody(), await somebody()];
    const { store: peers, merged } = store();
    const { forget } = rememberProtocols(peers);
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    const write = async (who: PeerId, ...protocols: string[]): Promise<number> => {
      merged.length = 0;
      await peers.merge(who, { protocols });
      return merged.length;
    };
    expect(await write(peer, '/a')).toBe(1);
    expect(await write(peer, '/a')).toBe(0);
    expect(await write(peer, '/b')).toBe(1);
    expect(await write(other, '/a')).toBe(1);
    clock.mockReturnValue(10 * 60_000 - 1);
    expect(await write(other, '/a')).toBe(0);
    clock.mockReturnValue(10 * 60_000);
    expect(await write(peer, '/a')).toBe(1);
    forget(peer);
    expect([await write(peer, '/a'), await write(peer, '/a')]).toEqual([1, 0]);
    await peers.delete(peer);
    expect(await write(peer, '/a')).toBe(1);
    clock.mockRestore();
  });

  it('of 4,000 peers are remembered, and all written again with the next one', async () => {
    const { store: peers, merged } = store();
    rememberProtocols(peers);
    const peer = (n: number) => ({ toString: () => `peer ${n}` }) as PeerId;
    const write = (n: number) => peers.merge(peer(n), { protocols: ['/a'] });
    for (let n = 0; n < 4_000; n += 1) await write(n);
    await write(0);
    expect(merged).toHaveLength(4_000);
    await write(4_000);
    await write(0);
    expect(merged).toHaveLength(4_002);
  });

  it('are not remembered where they could not be written', async () => {
    const peer = await somebody();
    const { store: peers, merged } = store();
    const merge = vi.spyOn(peers, 'merge').mockRejectedValueOnce(new Error('the disk is full'));
    rememberProtocols(peers);
    await expect(peers.merge(peer, { protocols: ['/a'] })).rejects.toThrow('the disk is full');
    await peers.merge(peer, { protocols: ['/a'] });
    expect([merged.length, merge.mock.calls.length]).toEqual([1, 2]);
  });

  it('that come with anything else are always written', async () => {
    const peer = await somebody();
    const { store: peers, merged } = store();
    rememberProtocols(peers);
    for (let round = 0; round < 2; round += 1) {
      await peers.merge(peer, { protocols: ['/a'], multiaddrs: [] });
      await peers.merge(peer, { protocols: ['/a', '/b'] });
      await peers.merge(peer, { protocols: [] });
    }
    expect(merged).toHaveLength(6);
  });

  it('reach the peer store by the method that is replaced, one call a stream', async () => {
    const [from, to] = [await node(), await node()];
    to.handle('/quorate/test-memory/1', async () => {}, { maxInboundStreams: 4, maxMessageBytes: 16 });
    const target = { id: to.id, addrs: to.addresses() };
    await from.connect(target.addrs);
    const merge = vi.spyOn(from.libp2p.peerStore, 'merge');
    const open = { signal: soon(), maxMessageBytes: 16 };
    for (let round = 0; round < 3; round += 1) await from.open(target, '/quorate/test-memory/1', open);
    const ofOurs = merge.mock.calls.filter(
      ([, { protocols }]) => protocols?.[0] === '/quorate/test-memory/1',
    );
    expect(ofOurs).toHaveLength(3);
    expect((await from.libp2p.peerStore.get(ofOurs[0]?.[0] as PeerId)).protocols).toContain(
      '/quorate/test-memory/1',
    );
  });
});
