import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { matchedRoutes } from 'hono/route';
import { clientOf } from '../protocol/base/client-address.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { type Account, type AccountBounds, Accounts, TooManyRequests } from './accounts.ts';
import { isKnownHost } from './addresses.ts';
import { compress } from './compress.ts';
import { boundConnections, type ConnectionBounds, Waiting } from './connections.ts';
import type { HttpEnv } from './env.ts';
import {
  type ErrorPage,
  notFound,
  type Refusal,
  refusalHeaders,
  refusalOf,
  refusalResponse,
  refusalText,
} from './errors.ts';
import { httpLimits } from './limits.ts';
import { leastPrice, priceOf } from './prices.ts';
import { addSecurityHeaders, securityHeaders } from './security-headers.ts';
import { Slots } from './slots.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

/** Wraps an app: security headers, errors as code and message, price taken before, bytes counted. Tests call it without a socket. */
export function wholeApp(app: Hono<HttpEnv>, errorPage?: ErrorPage): Hono<HttpEnv> {
  const whole = new Hono<HttpEnv>();
  const tell = (accept: string | undefined, refusal: Refusal) =>
    refusalResponse(refusal, refusalText(refusal, accept, errorPage));
  whole.use(addSecurityHeaders);
  whole.use(async (c, next) => {
    c.env?.account?.pay(priceOf(matchedRoutes(c)) - leastPrice);
    await next();
    if (c.get('isCounted') !== true) c.env?.account?.sent(Number(c.res.headers.get('content-length') ?? 0));
  });
  whole.use(compress());
  whole.route('/', app);
  whole.notFound((c) => tell(c.req.header('accept'), refusalOf(notFound('no such path'))));
  whole.onError((error, c) => tell(c.req.header('accept'), refusalOf(error)));
  return whole;
}

export type { HttpErrorCode } from './error-codes.ts';

/** Bounds of one listener. Default: those of `httpLimits`. */
export interface ListenLimits extends AccountBounds, ConnectionBounds {
  idleMs: number;
  answerMsMax: number;
  /** Bytes of a request's body, whose length must be given. With 0, the default, a body and every method but GET and HEAD is refused. */
  bodyBytesMax: number;
}

const defaults: ListenLimits = {
  connectionsMax: httpLimits.connectionsMax,
  connectionsPerAddressMax: httpLimits.connectionsPerAddressMax,
  requestsPerSecond: httpLimits.requestsPerSecond,
  requestsBurst: httpLimits.requestsBurst,
  idleMs: httpLimits.idleMs,
  answerMsMax: httpLimits.answerMsMax,
  bodyBytesMax: 0,
};

export interface ListenOptions {
  host: string;
  port: number;
  app: Hono<HttpEnv>;
  /** Names, besides IP addresses and localhost, by which clients may call this server: those that its operator announced. */
  names?: readonly string[];
  limits?: Partial<ListenLimits>;
  /** Proxies in front, which say who their clients are. Without any a client is the address that connects, or its /64 prefix. */
  proxies?: TrustedProxies | undefined;
  /** The option that set host and port, for hints. Default: `--http`. */
  option?: string;
  /** Accounts of its clients. Default: its own, by its limits. */
  accounts?: Accounts;
  /** The page of an error, for clients that prefer HTML. Without it they get JSON, as all others do. */
  errorPage?: ErrorPage;
  /** Called when it is closed, and where it cannot listen: ends what its app rests on. */
  onClose?: () => void;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** Stops listening and aborts open answers. */
  close(): Promise<void>;
}

/** Serves a hono app within bounds on connections, sizes, times and rates. Every HTTP surface is one. @throws HTTP_LISTEN_FAILED */
export async function listenHttp(options: ListenOptions): Promise<HttpServer> {
  const { host, port, option = '--http' } = options;
  const bounds: ListenLimits = { ...defaults, ...options.limits };
  const server = createServer(
    {
      headersTimeout: bounds.idleMs,
      requestTimeout: bounds.idleMs,
      keepAliveTimeout: bounds.idleMs,
      connectionsCheckingInterval: Math.min(1_000, bounds.idleMs),
      maxHeaderSize: httpLimits.headerBytesMax,
    },
    answering(options, bounds),
  );
  // Also while a client does not read its answer.
  server.timeout = bounds.idleMs;
  server.maxRequestsPerSocket = bounds.requestsBurst;
  boundConnections(server, bounds, options.proxies);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Too Large' : '400 Bad Request';
    // One that is refused already gets no second answer, which a proxy would take for that of another request.
    if (socket.writable && !refused.has(socket))
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    else socket.destroy();
  });
  const { onClose = () => {} } = options;
  const bound = await listen(server, host, port, option).catch((error: unknown) => {
    onClose();
    throw error;
  });
  return {
    host,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        onClose();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number, option: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const [what, hint] =
        cause.code === 'EADDRINUSE'
          ? [`port ${port} of ${host} is in use`, 'Stop what uses it, or name another']
          : [`cannot listen on ${host}:${port}: ${cause.message}`, 'Name an address of this machine'];
      reject(new QuorateError('HTTP_LISTEN_FAILED', what, { hint: `${hint}: ${option} <host:port>`, cause }));
    });
    server.listen(port, host, () => {
      // An accept that fails is one client's loss: without a listener it would end the process.
      server.on('error', () => {});
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Connections that end with the answer they were given. */
const refused = new WeakSet<Socket>();

/** Checks before the app sees a request, and headers around its answer. */
function answering(options: ListenOptions, bounds: ListenLimits): RequestListener {
  const { proxies } = options;
  // Where one connection is not one client.
  const open = new Slots({
    max: Number.MAX_SAFE_INTEGER,
    perClientMax: bounds.connectionsPerAddressMax,
    what: 'requests',
  });
  /** On which a body comes in. */
  const bodies = new Waiting();
  const names = new Set((options.names ?? []).map((name) => name.toLowerCase()));
  const { accounts = new Accounts(bounds) } = options;
  const whole = wholeApp(options.app, options.errorPage);
  const asking = new WeakMap<object, { client: string; account: Account }>();
  const answer = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      return whole.fetch(request, { incoming, outgoing, ...asking.get(incoming) });
    },
    // Other libraries of this process keep Node's own Request and Response.
    { overrideGlobalObjects: false, errorHandler: (error) => refusalResponse(refusalOf(error)) },
  );
  return (request, response) => {
    const limit = setTimeout(() => response.destroy(), bounds.answerMsMax).unref();
    response.once('close', () => clearTimeout(limit));
    try {
      const client = proxies?.clientOf(request) ?? clientOf(request.socket.remoteAddress);
      const account = accounts.of(client, response);
      asking.set(request, { client, account });
      account.pay(leastPrice);
      if (proxies !== undefined) {
        const release = open.tryTake(client);
        if (release === undefined) throw new TooManyRequests(1);
        response.once('close', release);
      }
      const bodyBytes = checkRequest(request, names, bounds.bodyBytesMax);
      if (bodyBytes > 0) takeBody(request, bodies, client);
      account.pay(bodyBytes / httpLimits.bytesPerRequest);
    } catch (error) {
      refuse(request, response, refusalOf(error), options.errorPage);
      return;
    }
    answer(request, response).catch(() => response.destroy());
  };
}

/** Bodies come in memory. Beyond `bodiesMax` the one that has been coming longest, of the client with most, gives way. */
function takeBody(request: IncomingMessage, bodies: Waiting, client: string): void {
  const { socket } = request;
  if (bodies.size >= httpLimits.bodiesMax) bodies.longest()?.destroy();
  bodies.enter(socket, client);
  const done = () => void bodies.leave(socket);
  request.once('end', done).once('close', done);
}

/** Returns the bytes of the body that is to come. */
function checkRequest(
  { method = '', url = '', headers, headersDistinct }: IncomingMessage,
  names: ReadonlySet<string>,
  bodyBytesMax: number,
): number {
  // A preflight (https://fetch.spec.whatwg.org/#cors-preflight-fetch), which only an app that others may read answers.
  const isPreflight = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
  const reads = method === 'GET' || method === 'HEAD' || isPreflight;
  if (!reads && (bodyBytesMax === 0 || method !== 'POST'))
    throw new QuorateError('HTTP_METHOD_NOT_ALLOWED', 'there is nothing here but to read: GET and HEAD');
  const unknown = headers['transfer-encoding'] !== undefined;
  const length = Number(headers['content-length'] ?? '0');
  if (unknown || length !== 0) {
    if (reads || bodyBytesMax === 0)
      throw new QuorateError('HTTP_BODY_TOO_LARGE', 'a request here has no body');
    if (unknown) throw new QuorateError('HTTP_LENGTH_REQUIRED', 'the length of the body is not given');
    if (length > bodyBytesMax)
      throw new QuorateError(
        'HTTP_BODY_TOO_LARGE',
        `the body of a request has at most ${bodyBytesMax} bytes`,
      );
  }
  // Of two, a proxy in front may have read the other one (RFC 9112, section 3.2).
  if (headersDistinct.host?.length !== 1 || !isKnownHost(headers.host, names))
    throw new QuorateError(
      'HTTP_HOST_UNKNOWN',
      'this server does not have the name that was asked for; use its address, or a name that its operator announced',
    );
  // A target that is not in its normal form would be another one to whoever normalizes it.
  if (!isNormal(url)) throw notFound('no such path');
  return length;
}

function isNormal(target: string): boolean {
  const base = 'http://localhost';
  if (!target.startsWith('/') || target.startsWith('//') || !URL.canParse(target, base)) return false;
  const { pathname, search } = new URL(target, base);
  return `${pathname}${search}` === target;
}

/** Answers what the app never sees. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  refusal: Refusal,
  errorPage: ErrorPage | undefined,
): void {
  if (refusal.headers.connection === 'close') refused.add(request.socket);
  const { body, type } = refusalText(refusal, request.headers.accept, errorPage);
  response.writeHead(refusal.status, { ...securityHeaders, ...refusalHeaders(refusal, body, type) });
  response.end(body);
}
