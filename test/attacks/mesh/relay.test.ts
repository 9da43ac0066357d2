import { circuitRelayServer } from '@libp2p/circuit-relay-v2';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { describe, expect, test } from 'vitest';
import { shareReservations } from '../../../src/mesh/libp2p/relay-shares.ts';

const max = 16;

interface Store {
  reserve(peer: PeerId, addr: ReturnType<typeof multiaddr>): { status: string };
  get(peer: PeerId): unknown;
}

const key = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'));
const at = (host: string) => multiaddr(`/ip4/${host}/tcp/4001`);

/** Strangers on some addresses reserve with as many keys as they like; then hosts behind others do. */
async function attack(
  isShared: boolean,
  addresses: string[],
): Promise<{ honest: number; stays: boolean; end: boolean }> {
  const services = {
    identify: identify(),
    relay: circuitRelayServer({ reservations: { maxReservations: max } }),
  };
  const node = await createLibp2p({ start: false, services });
  const { relay } = node.services as unknown as { relay: { reservationStore: Store } };
  const { reservationStore: store } = relay;
  const end = isShared ? shareReservations(relay, max) : () => {};
  const member = await key();
  store.reserve(member, at('192.0.2.1'));
  for (const address of addresses) for (let n = 0; n < max; n++) store.reserve(await key(), at(address));
  let honest = 0;
  for (let n = 1; n <= 2; n++)
    if (store.reserve(await key(), at(`198.51.100.${n}`)).status === 'OK') honest += 1;
  const stays = store.get(member) !== undefined;
  end(member);
  return { honest, stays, end: store.get(member) === undefined };
}

describe('strangers reserve places at a relay, with a key for each', () => {
  test.each([1, 12])('from %i addresses: hosts behind others find one, and keep theirs', async (count) => {
    const addresses = Array.from({ length: count }, (_, n) => `203.0.113.${n}`);
    expect(await attack(true, addresses)).toEqual({ honest: 2, stays: true, end: true });
  });

  test('control: with the library’s limit alone they find none, for hours', async () => {
    expect(await attack(false, ['203.0.113.1'])).toEqual({ honest: 0, stays: true, end: false });
  });
});
