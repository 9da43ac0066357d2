import { request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** Headers that are not forwarded, in addition to those that Connection names (RFC 9110, 7.6.1). */
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

/** Maximum number of interim responses (1xx) before the final one. */
const interimMax = 16;

export interface Forwarded {
  request: IncomingMessage;
  response: ServerResponse;
  server: Socket;
  url: URL;
  sent(chunk: Uint8Array): void;
  received(chunk: Uint8Array): void;
}

/** Forwards one request and its response. Rejects with the error of either connection. */
export async function forward(passing: Forwarded): Promise<void> {
  const { request, response, server, url, sent, received } = passing;
  response.once('close', () => server.destroy());
  if (request.destroyed) {
    server.destroy();
    return;
  }
  const onward = ask({
    // Without an agent, which would open its own connection.
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
    if (++interim > interimMax) onward.destroy(new Error('too many interim responses'));
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    onward.once('response', resolve);
    onward.on('error', reject);
    onward.once('close', () => reject(new Error('connection closed')));
  });
  server.on('data', received);
  request.on('data', sent);
  // A complete response may arrive before the request has been sent.
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
