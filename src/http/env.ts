import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'hono';
import type { Account } from './accounts.ts';
import { httpLimits } from './limits.ts';
import type { Holder } from './slots.ts';

/** Passed by `listenHttp` to every handler besides the request. Absent where an app is called without a socket. */
interface HttpBindings {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  /** The key by which this client is limited: an IPv4 address or an IPv6 /64 prefix. */
  client: string;
  account: Account;
}

/** Of a request that may come without a socket. */
export type Asker = Partial<Pick<HttpBindings, 'client' | 'account' | 'outgoing'>>;

/** Environment of each hono app below `src/http`. */
export interface HttpEnv {
  Bindings: Partial<HttpBindings>;
  /** The bytes of the answer are counted as they are sent. */
  Variables: { isCounted?: boolean };
}

/** The answer to a request, as what holds a slot; undefined where there is no socket. */
export function holderOf(outgoing: ServerResponse | undefined): Holder | undefined {
  const { socket } = outgoing ?? {};
  if (outgoing === undefined || socket === undefined || socket === null) return undefined;
  const readBytes = () => socket.bytesWritten - socket.writableLength;
  const [since, before] = [performance.now(), readBytes()];
  return {
    end: () => void outgoing.destroy(),
    isSlow() {
      const ms = performance.now() - since;
      // An answer that is made slowly, or waits for its client's account, leaves nothing to be read.
      const isBehind = socket.writableLength > 0 && ms > httpLimits.slowMsMin;
      return isBehind && ((readBytes() - before) / ms) * 1000 < httpLimits.slowBytesPerSecond;
    },
  };
}

/** Path and query as the client sent them, neither decoded nor normalized. */
export const targetOf = ({ req }: Context): string => req.url.replace(/^[a-z]+:\/\/[^/?#]*/i, '');

/** Calls `done` once the answer is sent, or the client is gone. */
export function afterAnswer({ env }: Context<HttpEnv>, done: () => void): void {
  const { outgoing } = env ?? {};
  if (outgoing === undefined || outgoing.destroyed) done();
  else outgoing.once('close', done);
}

/** Aborted once the answer is sent, or the client is gone: work for an answer ends with it. */
export function untilGone(c: Context<HttpEnv>): AbortSignal {
  const gone = new AbortController();
  if (c.env?.outgoing !== undefined) afterAnswer(c, () => gone.abort());
  return gone.signal;
}
