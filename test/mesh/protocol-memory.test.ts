import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { describe, expect, it, vi } from 'vitest';
import { meshLimits } from '../../src/mesh/limits.ts';
import { rememberProtocols } from '../../src/mesh/protocol-memory.ts';
import { node, soon } from './harness.ts';

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
    clock.mockReturnValue(meshLimits.protocolMemoryMs);
    expect(await write(peer, '/a')).toBe(1);
    forget(peer);
    expect([await write(peer, '/a'), await write(peer, '/a')]).toEqual([1, 0]);
    await peers.delete(peer);
    expect(await write(peer, '/a')).toBe(1);
    clock.mockRestore();
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
