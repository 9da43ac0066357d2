import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { QuorateError } from '../core/errors.ts';
import { Buckets } from '../mesh/token-buckets.ts';
import { clientOf } from './addresses.ts';
import type { HttpEnv } from './env.ts';
import { notFound, type Refusal, refusalBody, refusalHeaders, refusalOf, refusalResponse } from './errors.ts';
import { isKnownHost } from './host.ts';
import { httpLimits } from './limits.ts';
import { securityHeaders } from './security-headers.ts';
import type { TrustedProxies } from './trusted-proxies.ts';
import { type ErrorPage, wholeApp } from './whole-app.ts';

export type { HttpErrorCode } from './error-codes.ts';

/** Bounds of one listener. Default: those of `httpLimits`. */
export interface ListenLimits {
  connectionsMax: number;
  connectionsPerAddressMax: number;
  requestsPerSecond: number;
  requestsBurst: number;
  /** Time for which a client may be idle. */
  idleMs: number;
  /** Time for a whole answer. */
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
  /** The page of an error, for clients that prefer HTML. Without it they get JSON, as all others do. */
  errorPage?: ErrorPage;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** Stops listening and aborts open answers. */
  close(): Promise<void>;
}

/**
 * Serves a hono app within bounds: connections, sizes, times and rates per address. Every HTTP surface is such an app.
 * Errors: `HTTP_PORT_IN_USE`, `HTTP_LISTEN_FAILED`.
 */
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
  server.maxConnections = bounds.connectionsMax;
  server.maxRequestsPerSocket = bounds.requestsBurst;
  boundPerClient(server, bounds.connectionsPerAddressMax, options.proxies);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Too Large' : '400 Bad Request';
    // One that is refused already gets no second answer, which a proxy would take for that of another request.
    if (socket.writable && !refused.has(socket))
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    else socket.destroy();
  });
  const bound = await listen(server, host, port, option);
  return {
    host,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number, option: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        cause.code === 'EADDRINUSE'
          ? new QuorateError('HTTP_PORT_IN_USE', `port ${port} of ${host} is in use`, {
              hint: `Stop what uses it, or name another: ${option} <host:port>`,
              cause,
            })
          : new QuorateError('HTTP_LISTEN_FAILED', `cannot listen on ${host}:${port}: ${cause.message}`, {
              hint: `Name an address of this machine: ${option} <host:port>`,
              cause,
            }),
      );
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

/** Limits the connections of one address. Those of a trusted proxy are of many clients: their requests are limited. */
function boundPerClient(server: Server, connectionsMax: number, proxies: TrustedProxies | undefined): void {
  const open = new Map<string, number>();
  server.on('connection', (socket) => {
    const client = clientOf(socket.remoteAddress);
    const count = (open.get(client) ?? 0) + 1;
    open.set(client, count);
    socket.once('close', () => {
      const left = (open.get(client) ?? 1) - 1;
      if (left === 0) open.delete(client);
      else open.set(client, left);
    });
    if (count > connectionsMax && proxies?.has(socket.remoteAddress) !== true) socket.destroy();
  });
}

/** Connections that end with the answer they were given. */
const refused = new WeakSet<Socket>();

/** Checks before the app sees a request, and headers around its answer. */
function answering(options: ListenOptions, bounds: ListenLimits): RequestListener {
  const { proxies } = options;
  const open = new OpenRequests(bounds.connectionsPerAddressMax);
  const names = new Set((options.names ?? []).map((name) => name.toLowerCase()));
  const buckets = new Buckets(bounds.requestsPerSecond, bounds.requestsBurst);
  const whole = wholeApp(options.app, options.errorPage);
  const clients = new WeakMap<object, string>();
  const answer = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      const client = clients.get(incoming) ?? '';
      const charge = (bytes: number) =>
        void buckets.charge(client, bytes / httpLimits.bytesPerRequest, performance.now());
      return whole.fetch(request, { incoming, outgoing, client, charge });
    },
    // Other libraries of this process keep Node's own Request and Response.
    { overrideGlobalObjects: false, errorHandler: (error) => refusalResponse(refusalOf(error)) },
  );
  return (request, response) => {
    const limit = setTimeout(() => response.destroy(), bounds.answerMsMax).unref();
    response.once('close', () => clearTimeout(limit));
    try {
      const client = proxies?.clientOf(request) ?? clientOf(request.socket.remoteAddress);
      clients.set(request, client);
      const isTaken = buckets.take(client, performance.now());
      sayRate(response, bounds, buckets.left(client, performance.now()));
      if (!isTaken || (proxies !== undefined && !open.begin(client, response)))
        return refuse(request, response, tooMany(bounds, buckets.left(client, performance.now())));
      checkRequest(request, names, bounds.bodyBytesMax);
    } catch (error) {
      refuse(request, response, refusalOf(error));
      return;
    }
    answer(request, response).catch(() => response.destroy());
  };
}

/** `left`: tokens of the client, below zero after large answers. */
function tooMany({ requestsPerSecond }: ListenLimits, left: number): Refusal {
  const message = 'too many requests from this address; try again in a few seconds';
  const refusal = refusalOf(new QuorateError('HTTP_TOO_MANY_REQUESTS', message));
  const seconds = Math.max(1, Math.ceil((1 - left) / requestsPerSecond));
  return { ...refusal, headers: { ...refusal.headers, 'retry-after': String(seconds) } };
}

/**
 * How much a client may ask for, in the fields of draft-ietf-httpapi-ratelimit-headers-10: `q` requests in `w` seconds; `r` are
 * left, and all of them again after `t` seconds.
 */
function sayRate(response: ServerResponse, bounds: ListenLimits, left: number): void {
  const { requestsPerSecond: perSecond, requestsBurst: burst } = bounds;
  response.setHeader('ratelimit-policy', `"address";q=${burst};w=${Math.ceil(burst / perSecond)}`);
  const [remaining, seconds] = [Math.max(0, Math.floor(left)), Math.ceil((burst - left) / perSecond)];
  response.setHeader('ratelimit', `"address";r=${remaining};t=${seconds}`);
}

/** Requests of each client that are being answered, where one connection is not one client. */
class OpenRequests {
  readonly #max: number;
  readonly #open = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** False where the client has as many as it may. */
  begin(client: string, response: ServerResponse): boolean {
    const count = this.#open.get(client) ?? 0;
    if (count >= this.#max) return false;
    this.#open.set(client, count + 1);
    response.once('close', () => {
      const left = (this.#open.get(client) ?? 1) - 1;
      if (left === 0) this.#open.delete(client);
      else this.#open.set(client, left);
    });
    return true;
  }
}

function checkRequest(
  { method = '', url = '', headers, headersDistinct }: IncomingMessage,
  names: ReadonlySet<string>,
  bodyBytesMax: number,
): void {
  // A preflight (https://fetch.spec.whatwg.org/#cors-preflight-fetch), which only an app that others may read answers.
  const isPreflight = method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
  const reads = method === 'GET' || method === 'HEAD' || isPreflight;
  if (!reads && (bodyBytesMax === 0 || method !== 'POST'))
    throw new QuorateError('HTTP_METHOD_NOT_ALLOWED', 'there is nothing here but to read: GET and HEAD');
  const unknown = headers['transfer-encoding'] !== undefined;
  const length = Number(headers['content-length'] ?? '0');
  if (unknown || length !== 0) {
    if (reads || bodyBytesMax === 0)
      throw new QuorateError('HTTP_BODY_NOT_ALLOWED', 'a request here has no body');
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
}

function isNormal(target: string): boolean {
  if (!target.startsWith('/') || target.startsWith('//')) return false;
  const { pathname, search } = new URL(target, 'http://localhost');
  return `${pathname}${search}` === target;
}

/** Answers what the app never sees. */
function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const body = refusalBody(refusal);
  if (refusal.headers.connection === 'close') refused.add(request.socket);
  response.writeHead(refusal.status, { ...securityHeaders, ...refusalHeaders(refusal, body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}
