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
  return over(registrar, { handle });
}

/** The same object with other members. */
const over = <T extends object>(target: T, members: { readonly [name: PropertyKey]: unknown }): T =>
  new Proxy(target, {
    get(_, name) {
      if (Object.hasOwn(members, name)) return members[name];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

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
  // Without `addEventListener` gossipsub reads the stream as an iterable, which is `chunks`.
  return over(stream, { [Symbol.asyncIterator]: chunks, addEventListener: undefined });
}
