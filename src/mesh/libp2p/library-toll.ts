import type { Connection, Libp2p, Stream, StreamHandlerRecord } from '@libp2p/interface';
import { QuorateError } from '../../protocol/base/errors.ts';
import { sessionLimits } from '../../protocol/sessions/limits.ts';
import { DHT_PROTOCOL } from '../datastore.ts';
import type { MeshStats } from '../stats.ts';
import type { Turns } from '../token-buckets.ts';

/**
 * Turns that a stream takes on the protocols that libraries serve, and each message on it: the milliseconds of processor time that were
 * measured (`npm run bench -- --only prices`). Streams that carry what this node asked for, or what it relays, have bounds of their own.
 */
export const libraryTurns: Readonly<Record<string, { stream: number; message: number }>> = {
  '/ipfs/id/1.0.0': { stream: 0.5, message: 0 },
  '/ipfs/id/push/1.0.0': { stream: 0.25, message: 0.25 },
  '/ipfs/ping/1.0.0': { stream: 0.25, message: 0.1 },
  '/ipfs/bitswap/1.2.0': { stream: 0.1, message: 0 },
  [DHT_PROTOCOL]: { stream: 0.25, message: 0.25 },
  // It dials back, at most twice at once.
  '/libp2p/autonat/1.0.0': { stream: 2, message: 0 },
  '/libp2p/dcutr': { stream: 2, message: 0 },
  '/libp2p/circuit/relay/0.2.0/hop': { stream: 1, message: 0 },
  '/libp2p/circuit/relay/0.2.0/stop': { stream: 1, message: 0 },
};

/** Of the class of libp2p, and of its streams. */
interface WithRegistrar {
  components: { registrar: { getHandler(protocol: string): StreamHandlerRecord } };
}
interface RawStream extends Stream {
  onData(data: Uint8Array): void;
}

export interface LibraryToll {
  stats: Pick<MeshStats, 'streamsRefusedByRate'>;
  turns: Turns;
  account(connection: Connection): string;
}

/** Charges streams of libraries when libp2p hands them over. Their account is apart from that of Quorate's own protocols. */
export function chargeLibraries(node: Libp2p, { stats, turns: accounts, account }: LibraryToll): void {
  const { registrar } = (node as unknown as WithRegistrar).components;
  const { getHandler } = registrar;
  registrar.getHandler = (protocol) => {
    const found = getHandler.call(registrar, protocol);
    const turns = libraryTurns[protocol];
    if (turns === undefined) return found;
    const handler: typeof found.handler = (stream, connection) => {
      if (!isPaid(connection, turns.stream)) return refuse(stream);
      const raw = stream as RawStream;
      const { onData } = raw;
      if (turns.message > 0)
        raw.onData = (data) => {
          const bytes = data.byteLength / sessionLimits.receivedBytesPerTurn;
          if (isPaid(connection, turns.message + bytes)) onData.call(raw, data);
          else refuse(stream);
        };
      return found.handler(stream, connection);
    };
    return { ...found, handler };
  };
  const isPaid = (connection: Connection, turns: number): boolean => {
    const name = `libraries ${account(connection)}`;
    const now = performance.now();
    if (accounts.owes(name, now)) return false;
    accounts.charge(name, turns, now);
    return true;
  };
  const refuse = (stream: Stream) => {
    stats.streamsRefusedByRate += 1;
    stream.abort(new QuorateError('MESH_PEER_RATE', 'the peer asks for more than this node does for one'));
  };
}
