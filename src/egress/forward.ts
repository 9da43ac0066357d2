import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** They are between two neighbours only, as are those that Connection names (RFC 9110, 7.6.1). */
const hopByHop = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** A server may say "go on" (1xx) before it answers; one that says nothing else is no server. */
const interimMax = 16;

export interface Forwarded {
  request: IncomingMessage;
  response: ServerResponse;
  /** Connected to where `url` leads. */
  server: Socket;
  url: URL;
  sent(chunk: Uint8Array): void;
  received(chunk: Uint8Array): void;
}

/** Passes one plain request on, and its answer back as it is. Throws what goes wrong on either side. */
export async function forward(passing: Forwarded): Promise<void> {
  const { request, response, server, url, sent, received } = passing;
  response.once('close', () => server.destroy());
  if (request.destroyed) {
    server.destroy();
    return;
  }
  const onward = ask({
    // Without an agent, which would connect by itself.
    createConnection: () => server,
    method: request.method ?? 'GET',
    path: url.pathname + url.search,
    headers: {
      ...passed(request),
      ...(request.headers['transfer-encoding'] !== undefined && { 'transfer-encoding': 'chunked' }),
      host: url.host,
      connection: 'close',
    },
  });
  sent(Buffer.from([request.method, url.href, ...request.rawHeaders].join('\r\n')));
  let interim = 0;
  onward.on('information', () => {
    if (++interim > interimMax) onward.destroy(new Error('it only says 1xx'));
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    onward.once('response', resolve);
    onward.on('error', reject);
    onward.once('close', () => reject(new Error('it hung up')));
  });
  server.on('data', received);
  request.on('data', sent);
  // An answer may come, and be all, before the request is out.
  pipeline(request, onward).catch(() => {});
  const answer = await answered;
  response.writeHead(answer.statusCode ?? 502, passed(answer));
  await pipeline(answer, response);
}

function passed({ headers }: IncomingMessage): Record<string, string | string[]> {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()));
  return Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string | string[]] =>
        entry[1] !== undefined && !hopByHop.has(entry[0]) && !named.has(entry[0]),
    ),
  );
}
