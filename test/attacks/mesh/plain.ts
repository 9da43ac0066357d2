import { noise } from '@chainsafe/libp2p-noise';
import { type GossipSub, type GossipsubOpts, gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import type { Libp2p, Stream } from '@libp2p/interface';
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import { type Ping, ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import { onTestFinished } from 'vitest';
import type { Mesh } from '../../../src/mesh/index.ts';

export type Plain = Libp2p<{ pubsub: GossipSub; dht: KadDHT; ping: Ping } & Record<string, unknown>>;

/** A node with the library's own settings: the attacker, and the unguarded victim of the control runs. */
export async function plain(
  gossip: Partial<GossipsubOpts> = {},
  more: Partial<Libp2pOptions> = {},
): Promise<Plain> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    ...(more as object),
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol: '/quorate/kad/1',
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        allowQueryWithZeroPeers: true,
      }),
      pubsub: gossipsub({ allowPublishToZeroTopicPeers: true, fallbackToFloodsub: false, ...gossip }),
    },
  });
  onTestFinished(() => node.stop());
  return node as unknown as Plain;
}

export const addressesOf = (target: Mesh | Plain) =>
  'getMultiaddrs' in target ? target.getMultiaddrs() : target.addresses().map((a) => multiaddr(a));

export const connect = (from: Plain, to: Mesh | Plain) => from.dial(addressesOf(to));

/** Sends `bytesMax`, or what is taken of it within the time; gives the bytes that left. */
export async function pour(stream: Stream, chunk: Uint8Array, bytesMax: number, ms: number): Promise<number> {
  const end = Date.now() + ms;
  let sent = 0;
  while (sent < bytesMax && Date.now() < end && stream.writeStatus === 'writable') {
    stream.send(chunk);
    sent += chunk.byteLength;
    while (stream.writeBufferLength > 0 && Date.now() < end && stream.writeStatus === 'writable') {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return sent - stream.writeBufferLength;
}
