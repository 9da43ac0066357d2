import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { QuorateError } from '../core/errors.ts';
import { Buckets } from '../mesh/token-buckets.ts';
import type { PublicView } from '../runtime/controller/public-view.ts';
import { clientOf } from './addresses.ts';
import { Gateway } from './gateway.ts';
import { httpLimits } from './limits.ts';
import { type Answer, json, Routes } from './routes.ts';

export type { HttpErrorCode } from './error-codes.ts';

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** Stops listening and aborts open answers. */
  close(): Promise<void>;
}

/** HTTP status of each code; 500 for any other. */
const statusOf: Record<string, number> = {
  HTTP_NOT_FOUND: 404,
  HTTP_METHOD_NOT_ALLOWED: 405,
  HTTP_BODY_NOT_ALLOWED: 413,
  HTTP_TOO_MANY_REQUESTS: 429,
  HTTP_BUSY: 503,
  BUNDLE_DAMAGED: 503,
};

/**
 * The HTTP feed of a controller: read-only and public. Clients verify the documents as they verify gossip.
 * Errors: `HTTP_PORT_IN_USE`, `HTTP_LISTEN_FAILED`.
 */
export async function serveHttp(options: {
  host: string;
  port: number;
  view: PublicView;
  /** Time for which a client may be idle. Default: `httpLimits.idleMs`. */
  idleMs?: number;
}): Promise<HttpServer> {
  const { host, port, view, idleMs = httpLimits.idleMs } = options;
  const routes = new Routes(view);
  const gateway = new Gateway(view);
  const buckets = new Buckets(httpLimits.requestsPerSecond, httpLimits.requestsBurst);
  const server = createServer(
    {
      headersTimeout: idleMs,
      requestTimeout: idleMs,
      keepAliveTimeout: idleMs,
      connectionsCheckingInterval: Math.min(1_000, idleMs),
      maxHeaderSize: httpLimits.headerBytesMax,
    },
    (request, response) => {
      answer({ routes, gateway, buckets }, request, response).catch(() => response.destroy());
    },
  );
  // Also while a client does not read its answer.
  server.timeout = idleMs;
  server.maxConnections = httpLimits.connectionsMax;
  server.maxRequestsPerSocket = httpLimits.requestsBurst;
  boundPerClient(server);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Too Large' : '400 Bad Request';
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    else socket.destroy();
  });
  const bound = await listen(server, host, port);
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

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        cause.code === 'EADDRINUSE'
          ? new QuorateError('HTTP_PORT_IN_USE', `port ${port} of ${host} is in use`, {
              hint: 'Stop what uses it, or name another: --http <host:port>',
              cause,
            })
          : new QuorateError('HTTP_LISTEN_FAILED', `cannot listen on ${host}:${port}: ${cause.message}`, {
              hint: 'Name an address of this machine: --http <host:port>',
              cause,
            }),
      );
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

/** Limits the connections of one address. */
function boundPerClient(server: Server): void {
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
    if (count > httpLimits.connectionsPerAddressMax) socket.destroy();
  });
}

interface Parts {
  routes: Routes;
  gateway: Gateway;
  buckets: Buckets;
}

async function answer(
  { routes, gateway, buckets }: Parts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const limit = setTimeout(() => response.destroy(), httpLimits.answerMsMax).unref();
  response.once('close', () => clearTimeout(limit));
  try {
    const client = clientOf(request.socket.remoteAddress);
    check(buckets, client, request);
    const target = request.url ?? '';
    const [found, release] = target.startsWith('/ipfs/')
      ? await gateway.answer(target)
      : await routes.answer(target, Date.now());
    if (response.destroyed) release();
    else response.once('close', release);
    if (found.body instanceof Uint8Array) {
      // The bytes of an answer count as further requests.
      buckets.charge(client, found.body.length / httpLimits.bytesPerRequest, Date.now());
    }
    if (request.headers['if-none-match'] === found.etag) response.writeHead(304, { etag: found.etag }).end();
    else await send(found, request, response);
  } catch (error) {
    refuse(request, response, error);
  }
}

async function send(
  { body, etag, type, cache, fileName, level }: Answer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const whole = body instanceof Uint8Array;
  response.writeHead(200, {
    ...headersOf(type, cache),
    etag,
    ...(fileName === undefined ? {} : { 'content-disposition': `attachment; filename="${fileName}"` }),
    ...(level === undefined ? {} : { 'quorate-level': level }),
    ...(whole ? { 'content-length': body.length } : {}),
  });
  if (request.method === 'HEAD') response.end();
  else if (whole) response.end(body);
  // An aborted answer has no last chunk, so that clients notice.
  else await pipeline(Readable.from(body, { highWaterMark: 1 }), response);
}

const headersOf = (type: string, cache: string) => ({
  'content-type': type,
  'cache-control': cache,
  'x-content-type-options': 'nosniff',
});

function check(buckets: Buckets, client: string, { method, headers: sent }: IncomingMessage): void {
  if (!buckets.take(client, Date.now()))
    throw new QuorateError(
      'HTTP_TOO_MANY_REQUESTS',
      'too many requests from this address; try again in a few seconds',
    );
  if (method !== 'GET' && method !== 'HEAD')
    throw new QuorateError('HTTP_METHOD_NOT_ALLOWED', 'there is nothing here but to read: GET and HEAD');
  if (sent['transfer-encoding'] !== undefined || (sent['content-length'] ?? '0') !== '0')
    throw new QuorateError('HTTP_BODY_NOT_ALLOWED', 'a request here has no body');
}

/** The body of an error: code and message; for an error without a code of the HTTP feed a general text. */
function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const known = error instanceof QuorateError ? statusOf[error.code] : undefined;
  const { code, message } =
    error instanceof QuorateError && known !== undefined
      ? error
      : { code: 'HTTP_FAILED', message: 'the server failed; its operator can tell more' };
  const body = Buffer.from(JSON.stringify({ error: { code, message } }));
  response.writeHead(known ?? 500, {
    ...headersOf(json.type, json.cache),
    ...(known === 405 ? { allow: 'GET, HEAD' } : {}),
    ...(known === 429 || known === 503 ? { 'retry-after': '5' } : {}),
    // The rest of the request is not read.
    ...(known === 404 ? {} : { connection: 'close' }),
    'content-length': body.length,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
