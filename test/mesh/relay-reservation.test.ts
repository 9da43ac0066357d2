import type { PeerId } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { expect, it } from 'vitest';
import { type RelayComponents, RelayReservation } from '../../src/mesh/relay-reservation.ts';

const relay = '12D3KooWL3XJ9EMCyZvmmGXL2LMiVBtrVa2BuESsJiXkSj7333Jw';
const peer = (name: string) => ({ toString: () => name }) as unknown as PeerId;

/** A reservation at one relay, and the calls that it made. The test ends each listening. */
function reserving() {
  const calls: string[] = [];
  let connect: (peer: PeerId) => void = () => {};
  const connections = [{ limits: {}, remoteAddr: '/ip4/192.0.2.9/tcp/1' }];
  const addrs: ReturnType<typeof multiaddr>[] = [];
  const listeners: { close(): Promise<void> }[] = [];
  let listening = Promise.withResolvers<void>();
  const components = {
    registrar: {
      register: async (_codec: string, { onConnect }: { onConnect(peer: PeerId): void }) => {
        connect = onConnect;
        return 'topology';
      },
      unregister: (id: string) => calls.push(`unregister ${id}`),
    },
    connectionManager: { getConnections: () => connections },
    transportManager: {
      getAddrs: () => addrs,
      getListeners: () => [...listeners],
      listen: async ([address]: unknown[]) => {
        calls.push(`listen ${address}`);
        await listening.promise;
        listeners.push({ close: async () => void calls.push('close') });
      },
    },
  } as unknown as RelayComponents;
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const end = async (settle: () => void) => {
    await turn();
    settle();
    await turn();
    listening = Promise.withResolvers();
  };
  return {
    reservation: new RelayReservation(components, new Set([relay])),
    calls,
    connections,
    addrs,
    connect: (name: string) => connect(peer(name)),
    reserved: () => end(() => listening.resolve()),
    refused: () => end(() => listening.reject(new Error('full'))),
  };
}

it('reserves one place, at a bootstrap node to which a connection is direct', async () => {
  const { reservation, calls, connections, addrs, connect, reserved, refused } = reserving();
  await reservation.start();
  const direct = { limits: undefined, remoteAddr: '/ip4/192.0.2.1/tcp/1/p2p/other' };
  connect(relay);
  connections.push(direct as never);
  connect('somebody else');
  expect(calls).toEqual([]);
  for (let n = 0; n < 2; n++) connect(relay);
  await refused();
  const listen = `listen /ip4/192.0.2.1/tcp/1/p2p/${relay}/p2p-circuit`;
  expect(calls).toEqual([listen]);
  connect(relay);
  await reserved();
  addrs.push(multiaddr('/ip4/192.0.2.7/tcp/1'), multiaddr(`/ip4/192.0.2.1/tcp/1/p2p/${relay}/p2p-circuit`));
  connect(relay);
  await reserved();
  expect(calls).toEqual([listen, listen]);
  // The relay is lost, and with it the address.
  addrs.length = 0;
  connect(relay);
  await reserved();
  connect(relay);
  await reserved();
  expect(calls).toEqual([listen, listen, 'close', listen, 'close', listen]);
  reservation.stop();
  expect(calls.at(-1)).toBe('unregister topology');
});

it('that was never started has nothing to stop', () => {
  const { reservation, calls } = reserving();
  reservation.stop();
  expect(calls).toEqual([]);
});
