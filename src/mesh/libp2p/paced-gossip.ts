import type { GossipSubComponents } from '@libp2p/gossipsub';
import type { Connection, Stream, StreamHandler, StreamHandlerOptions } from '@libp2p/interface';
import { meshLimits } from '../limits.ts';
import { PacedReader } from '../paced-reader.ts';
import { Buckets } from '../token-buckets.ts';
import type { MeshStats } from '../types.ts';

/** Bytes that one neighbour may send at once before it is throttled. */
const BURST_BYTES = 4 * meshLimits.gossipBytesPerSecond;

type Registrar = GossipSubComponents['registrar'];

/** Wraps inbound streams with a `PacedReader`: gossipsub reads without backpressure. */
export function pacedRegistrar(
  registrar: Registrar,
  stats: MeshStats,
  account: (connection: Connection) => string,
): Registrar {
  const buckets = new Buckets(meshLimits.gossipBytesPerSecond, BURST_BYTES);
  const handle = (protocol: string, handler: StreamHandler, options?: StreamHandlerOptions): Promise<void> =>
    registrar.handle(
      protocol,
      (stream, connection) => handler(paced(stream, account(connection), buckets, stats), connection),
      options,
    );
  return new Proxy(registrar, {
    get(target, name) {
      if (name === 'handle') return handle;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function paced(stream: Stream, account: string, buckets: Buckets, stats: MeshStats): Stream {
  const reader = new PacedReader(stream);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = reader.take();
      if (chunk === 'end') return;
      if (chunk === undefined) {
        await new Promise<void>((resolve) => reader.onReady(resolve));
        continue;
      }
      yield chunk;
      const waitMs = buckets.charge(account, chunk.byteLength, performance.now());
      if (waitMs > 0 && stream.status === 'open') {
        stats.gossipThrottled += 1;
        await new Promise((resolve) => setTimeout(resolve, waitMs).unref());
      }
    }
  }
  return new Proxy(stream, {
    get(target, name) {
      if (name === Symbol.asyncIterator) return chunks;
      // Without `addEventListener` gossipsub reads the stream as an iterable, which is `chunks`.
      if (name === 'addEventListener') return undefined;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
