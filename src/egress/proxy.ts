import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import { type Connect, connectHere, dial } from './dial.ts';
import { type Forwarded, forward } from './forward.ts';
import type { HostGate, Passage } from './host-gate.ts';
import { egressLimits } from './limits.ts';
import { addressesFor, type EgressRules, printable, type Target } from './rules.ts';

/** Counts refusals of one destination in a row: npm 10 and 11 may repeat a refused request for ever. */
export class RefusalRows {
  /** By destination; the oldest is forgotten when there are too many. */
  readonly #rows = new Map<string, number>();

  reached(asked: Target): void {
    this.#rows.delete(keyOf(asked));
  }

  /** The reason to give up, once the destination was refused too often in a row. */
  refused(asked: Target, refusal: QuorateError): QuorateError | undefined {
    const key = keyOf(asked);
    const row = (this.#rows.get(key) ?? 0) + 1;
    this.#rows.set(key, row);
    for (const oldest of this.#rows.keys()) {
      if (this.#rows.size <= egressLimits.refusedDestinationsMax) break;
      this.#rows.delete(oldest);
    }
    if (row < egressLimits.refusalsInARowMax) return undefined;
    return new QuorateError(
      'EGRESS_REFUSED_REPEATEDLY',
      `${row} requests in a row for ${printable(key)} were refused: ${refusal.code}: ${refusal.message}`,
      { hint: refusal.hint, cause: refusal },
    );
  }
}

const keyOf = ({ host, port }: Target): string => `${host.toLowerCase()}:${port}`;

type Done = (error?: Error | null) => void;

/** The bytes of a connection, each of which is counted. TLS over it is counted as what it sends, not as what is in it. */
export class CountedStream extends Duplex {
  readonly #socket: Socket;
  readonly #sent: (chunk: Uint8Array) => void;

  constructor(socket: Socket, count: { received(chunk: Uint8Array): void; sent(chunk: Uint8Array): void }) {
    super();
    this.#socket = socket;
    this.#sent = count.sent;
    socket.on('data', (chunk: Buffer) => {
      count.received(chunk);
      if (!this.push(chunk)) socket.pause();
    });
    socket.once('end', () => this.push(null));
    socket.once('error', (error) => this.destroy(error));
    socket.once('close', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    this.#sent(chunk);
    this.#socket.write(chunk, done);
  }

  override _final(done: Done): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#socket.destroy();
    done(error);
  }
}

export interface EgressOptions extends EgressRules {
  /** An existing folder for the socket. Every account that can enter it can use the proxy. */
  dir: string;
  /** Concurrent connections, and connections in total; those dropped as too many at once count towards the total. */
  connectionsMax?: number | undefined;
  connectionsTotalMax?: number | undefined;
  receivedBytesMax: number;
  sentBytesMax?: number | undefined;
  idleMs?: number | undefined;
  /** Each refusal, at most `egressTroublesMax` of them. */
  onRefusal?: ((refusal: QuorateError) => void) | undefined;
  /** Called once, with the reason to end the user of the proxy: a limit exceeded, or `refusalsInARowMax` refusals in a row. */
  onHopeless?: ((reason: QuorateError) => void) | undefined;
  /** Opens connections. Default: without a bandwidth limit. */
  connect?: Connect | undefined;
  /** Of the worker that the proxy is for. Absent: a host of the operator's own project, without limits. */
  gate?: HostGate | undefined;
}

export interface Egress {
  readonly socket: string;
  /** The first errors of refused or closed connections. */
  readonly refusals: readonly QuorateError[];
  readonly counts: Readonly<{ connections: number; refused: number; received: number; sent: number }>;
  /** Connects as through the socket: by the same rules and counts. @throws EGRESS_NOT_ALLOWED, EGRESS_ADDRESS_REFUSED, … */
  connect(target: Target): Promise<Duplex>;
  /** Closes the proxy and all connections. Resolves when none is left. */
  close(): Promise<void>;
}

/**
 * Opens an HTTP/1.1 forward proxy (RFC 9110: CONNECT, and absolute-form requests) on a unix socket. It connects to listed targets only, at the
 * addresses that it resolved and checked itself, and follows no redirects.
 * @throws EGRESS_UNAVAILABLE
 */
export async function openEgressProxy(options: EgressOptions): Promise<Egress> {
  const counts = { connections: 0, refused: 0, received: 0, sent: 0 };
  const refusals: QuorateError[] = [];
  const open = new Set<Duplex>();
  const idleMs = options.idleMs ?? limits.gitIdleSecondsMax * 1000;
  const sentBytesMax = options.sentBytesMax ?? egressLimits.sentBytesMax;
  const totalMax = options.connectionsTotalMax ?? egressLimits.connectionsTotalMax;

  const rows = new RefusalRows();
  let isHopeless = false;
  const giveUp = (reason: QuorateError): void => {
    if (isHopeless) return;
    isHopeless = true;
    options.onHopeless?.(reason);
  };
  const refuse = (error: unknown, asked?: Target): QuorateError => {
    const why = `the server closed the connection: ${printable(String(error))}`;
    const refusal =
      error instanceof QuorateError
        ? error
        : new QuorateError('EGRESS_UNREACHABLE', why, { hint: 'Try again later.', cause: error });
    counts.refused++;
    if (refusals.length < egressLimits.refusalsListedMax) {
      refusals.push(refusal);
      options.onRefusal?.(refusal);
    }
    const tooMany = asked === undefined ? undefined : rows.refused(asked, refusal);
    if (tooMany !== undefined) giveUp(tooMany);
    else if (endingCodes.includes(refusal.code)) giveUp(refusal);
    return refusal;
  };
  const cutAll = (): void => {
    for (const socket of open) socket.destroy();
  };
  const count = (direction: 'received' | 'sent', max: number) => (chunk: Uint8Array) => {
    const before = counts[direction];
    counts[direction] += chunk.byteLength;
    if (counts[direction] <= max) return;
    const says = `over ${sizeText(max)} were ${direction}`;
    if (before <= max) refuse(new QuorateError('EGRESS_LIMIT_EXCEEDED', says, { hint: tooMuch }));
    cutAll();
  };
  const isSpent = (): boolean => counts.received > options.receivedBytesMax || counts.sent > sentBytesMax;
  const sent = count('sent', sentBytesMax);
  const received = count('received', options.receivedBytesMax);

  const watch = (socket: Socket): Socket => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(idleMs, () => socket.destroy());
    return socket;
  };
  const reach = async (asked: Target): Promise<Pick<Forwarded, 'server' | 'received' | 'sent'>> => {
    if (isSpent()) throw new QuorateError('EGRESS_LIMIT_EXCEEDED', 'no more may be received or sent');
    let passage: Passage | undefined;
    const server = await dial(await addressesFor(options, asked, options.gate), asked, (address, port) => {
      if (!proxy.listening) throw new Error('the proxy is closed');
      const counted = options.gate?.open(asked, address);
      passage = counted;
      return watch((options.connect ?? connectHere)(address, port)).once('close', () => counted?.close());
    });
    rows.reached(asked);
    const moved = (direction: 'receivedBytes' | 'sentBytes', chunk: Uint8Array): void => {
      const reason = passage?.moved(direction, chunk.byteLength);
      if (reason === undefined || server.destroyed) return;
      refuse(reason, asked);
      server.destroy();
    };
    return {
      server,
      received: (chunk) => {
        received(chunk);
        moved('receivedBytes', chunk);
      },
      sent: (chunk) => {
        sent(chunk);
        moved('sentBytes', chunk);
      },
    };
  };

  const tunnel = async (request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> => {
    let asked: Target | undefined;
    try {
      asked = hostPort(request.url ?? '');
      const { server, received, sent } = await reach(asked);
      client.once('close', () => server.destroy());
      if (client.destroyed) return void server.destroy();
      // When the server has closed normally, data that the client has not read yet is still delivered.
      server.once('close', (broken) => (broken ? client.destroy() : client.end()));
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.unshift(head);
      server.on('data', received);
      client.on('data', sent);
      server.pipe(client);
      client.pipe(server);
    } catch (error) {
      const { code, message } = refuse(error, asked);
      client.end(
        `HTTP/1.1 ${statusOf(code)}\r\nContent-Length: 0\r\nX-Quorate: ${code} ${printable(message)}\r\n\r\n`,
      );
    }
  };
  const plain = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let asked: Target | undefined;
    try {
      const url = absolute(request.url ?? '');
      asked = { host: url.hostname, port: Number(url.port || 80) };
      await forward({ request, response, url, ...(await reach(asked)) });
    } catch (error) {
      const { code, message } = refuse(error, asked);
      if (response.headersSent) response.destroy();
      else
        response.writeHead(Number(statusOf(code).slice(0, 3)), { connection: 'close' }).end(`${message}\n`);
    }
  };

  const proxy = createServer({
    maxHeaderSize: egressLimits.headerBytesMax,
    headersTimeout: idleMs,
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(idleMs, 30_000),
  });
  proxy.maxConnections = options.connectionsMax ?? egressLimits.connectionsMax;
  /** Counts connections. Above the total the listener is closed, so that further attempts cost nothing. */
  const tally = (): void => {
    if (++counts.connections <= totalMax || !proxy.listening) return;
    refuse(new QuorateError('EGRESS_LIMIT_EXCEEDED', `over ${totalMax} connections`, { hint: tooMuch }));
    proxy.close();
    cutAll();
  };
  proxy.on('connection', watch);
  proxy.on('connection', tally);
  proxy.on('drop', tally);
  proxy.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const [status, what] = notHttp(error.code ?? '');
    if (what !== undefined) refuse(new QuorateError('EGRESS_NOT_ALLOWED', what));
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  /** Connections that have asked. Each asks once, so that bounds of connections hold for those to servers too. */
  const asking = new WeakSet<Duplex>();
  const isFirst = ({ socket }: IncomingMessage): boolean => {
    if (asking.has(socket)) socket.destroy();
    else asking.add(socket);
    return !socket.destroyed;
  };
  proxy.on('connect', (request, client, head) => {
    if (isFirst(request)) void tunnel(request, client, head);
  });
  proxy.on('request', (request, response) => {
    response.shouldKeepAlive = false;
    if (isFirst(request)) void plain(request, response);
  });

  const closed = new Promise<void>((resolve) => proxy.once('close', resolve));
  const socket = join(options.dir, 'proxy.sock');
  await new Promise<void>((resolve, reject) => {
    proxy.once('error', (cause) =>
      reject(
        new QuorateError('EGRESS_UNAVAILABLE', `the proxy cannot listen at ${socket}: ${cause.message}`, {
          hint: 'The path of a unix socket has at most 107 bytes: use a home folder with a shorter path (--home).',
          cause,
        }),
      ),
    );
    // Access is controlled by the folder; the client in the sandbox has another account.
    proxy.listen({ path: socket, writableAll: true }, resolve);
  });
  // An accept that fails is one client's loss: without a listener it would end the process.
  proxy.on('error', () => {});
  return {
    socket,
    refusals,
    counts,
    connect: async (target) => {
      tally();
      try {
        const { server, ...count } = await reach(target);
        return new CountedStream(server, count);
      } catch (error) {
        throw refuse(error, target);
      }
    },
    close: () => {
      if (proxy.listening) proxy.close();
      cutAll();
      return closed;
    },
  };
}

/** No build goes on with these: that it was refused is not for the job, and its exit status would be a vote. */
const endingCodes = ['EGRESS_LIMIT_EXCEEDED', 'EGRESS_HOST_LIMIT', 'EGRESS_HOST_NOT_ALLOWED'];

const tooMuch = 'Fetch less, or raise the disk limit of the job.';

function statusOf(code: string): string {
  return code === 'EGRESS_UNREACHABLE' ? '502 Bad Gateway' : '403 Forbidden';
}

type Response = [status: string, what?: string];

const unnamed: Response = ['400 Bad Request'];
const responses: Readonly<Record<string, Response>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'a request with headers over the limit was refused',
  ],
  HPE_INVALID_EOF_STATE: unnamed,
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout'],
};

/** Response to a request that Node's parser rejected, and the message to record; none for a slow or vanished client. */
function notHttp(code: string): Response {
  const isOther = code.startsWith('HPE_');
  return (
    responses[code] ?? (isOther ? ['400 Bad Request', 'a request that is not HTTP was refused'] : unnamed)
  );
}

const noServer = (): QuorateError => new QuorateError('EGRESS_NOT_ALLOWED', 'a request named no server');

/** Parses the authority-form target of CONNECT, `host:port` (RFC 9112, 3.2.3). @throws EGRESS_NOT_ALLOWED */
function hostPort(text: string): Target {
  const [, host, port] = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})$/.exec(text) ?? [];
  if (host === undefined) throw noServer();
  return { host, port: Number(port) };
}

/** Parses the absolute-form target of a request (RFC 9112, 3.2.2): http without user information. @throws EGRESS_NOT_ALLOWED */
function absolute(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === 'http:' && url.username === '' && url.password === '') return url;
  throw noServer();
}
