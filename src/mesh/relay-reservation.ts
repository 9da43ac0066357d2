import { type circuitRelayTransport, RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2';
import type { Listener, PeerId, Startable } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';

export type RelayComponents = Pick<
  Parameters<ReturnType<typeof circuitRelayTransport>>[0],
  'connectionManager' | 'registrar' | 'transportManager'
>;

/**
 * Reserves a relay slot on a bootstrap node once connected to it, so that a node behind NAT can be reached. libp2p's own ways do not fit:
 * listening on `/p2p-circuit` walks the DHT at random, and on a named relay fails the start when that relay is down.
 */
export class RelayReservation implements Startable {
  readonly #components: RelayComponents;
  readonly #relays: ReadonlySet<string>;
  #topology: string | undefined;
  #listener: Listener | undefined;
  #busy = false;

  constructor(components: RelayComponents, relays: ReadonlySet<string>) {
    this.#components = components;
    this.#relays = relays;
  }

  async start(): Promise<void> {
    this.#topology = await this.#components.registrar.register(RELAY_V2_HOP_CODEC, {
      onConnect: (peer) => void this.#reserve(peer),
    });
  }

  stop(): void {
    if (this.#topology !== undefined) this.#components.registrar.unregister(this.#topology);
  }

  async #reserve(relay: PeerId): Promise<void> {
    const { connectionManager, transportManager } = this.#components;
    if (this.#busy || !this.#relays.has(relay.toString()) || this.#reserved()) return;
    const connection = connectionManager.getConnections(relay).find((c) => c.limits === undefined);
    if (connection === undefined) return;
    this.#busy = true;
    try {
      // The listener of a lost relay stays registered without addresses.
      await this.#listener?.close();
      const before = transportManager.getListeners();
      const address = connection.remoteAddr.toString().replace(/\/p2p\/[^/]+$/, '');
      await transportManager.listen([multiaddr(`${address}/p2p/${relay}/p2p-circuit`)]);
      this.#listener = transportManager.getListeners().find((listener) => !before.includes(listener));
    } catch {
      // Full or refused: without a relay until the next connection to a bootstrap node.
    } finally {
      this.#busy = false;
    }
  }

  #reserved(): boolean {
    return this.#components.transportManager.getAddrs().some((a) => a.toString().includes('/p2p-circuit'));
  }
}
