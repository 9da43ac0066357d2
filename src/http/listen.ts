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
  /** The key by which a client is limited. Default: its address, or /64 prefix. */
  clientOf?: (request: IncomingMessage) => string;
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
  boundPerClient(server, bounds.connectionsPerAddressMax);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Too Large' : '400 Bad Request';
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
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

/** Limits the connections of one address. */
function boundPerClient(server: Server, connectionsMax: number): void {
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
    if (count > connectionsMax) socket.destroy();
  });
}

/** What is checked before the app sees a request, and what surrounds its answer. */
function answering(options: ListenOptions, bounds: ListenLimits): RequestListener {
  const { clientOf: keyOf = ({ socket }) => clientOf(socket.remoteAddress) } = options;
  const names = new Set((options.names ?? []).map((name) => name.toLowerCase()));
  const buckets = new Buckets(bounds.requestsPerSecond, bounds.requestsBurst);
  const whole = wholeApp(options.app, options.errorPage);
  const clients = new WeakMap<object, string>();
  const answer = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      const client = clients.get(incoming) ?? '';
      const charge = (bytes: number) =>
        void buckets.charge(client, bytes / httpLimits.bytesPerRequest, Date.now());
      return whole.fetch(request, { incoming, outgoing, client, charge });
    },
    // Other libraries of this process keep Node's own Request and Response.
    { overrideGlobalObjects: false, errorHandler: (error) => refusalResponse(refusalOf(error)) },
  );
  return (request, response) => {
    const limit = setTimeout(() => response.destroy(), bounds.answerMsMax).unref();
    response.once('close', () => clearTimeout(limit));
    const client = keyOf(request);
    clients.set(request, client);
    try {
      if (!buckets.take(client, Date.now()))
        throw new QuorateError(
          'HTTP_TOO_MANY_REQUESTS',
          'too many requests from this address; try again in a few seconds',
        );
      checkRequest(request, names, bounds.bodyBytesMax);
    } catch (error) {
      refuse(request, response, refusalOf(error));
      return;
    }
    answer(request, response).catch(() => response.destroy());
  };
}

function checkRequest(
  { method = '', url = '', headers }: IncomingMessage,
  names: ReadonlySet<string>,
  bodyBytesMax: number,
): void {
  const reads = method === 'GET' || method === 'HEAD';
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
  if (!isKnownHost(headers.host, names))
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
  response.writeHead(refusal.status, { ...securityHeaders, ...refusalHeaders(refusal, body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}
