import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Egress, openEgressProxy } from '../../src/egress/index.ts';
import { listen } from '../source/support.ts';

type Options = Parameters<typeof openEgressProxy>[0];

export const MiB = 1024 * 1024;

/** A proxy that leads to one local port, unless told otherwise; gone after the test. */
export async function egressTo(port: number, more: Partial<Options> = {}): Promise<Egress> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-egress-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const here = [{ host: '127.0.0.1', port }];
  const egress = await openEgressProxy({
    dir,
    targets: here,
    privateTargets: here,
    receivedBytesMax: MiB,
    ...more,
  });
  onTestFinished(() => egress.close());
  return egress;
}

/** Sends this to the proxy and returns all that comes back until it hangs up. */
export async function say({ socket }: Pick<Egress, 'socket'>, text: string | Buffer): Promise<string> {
  const client = connect(socket);
  let answer = '';
  client.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  client.on('error', () => {});
  client.write(text);
  await once(client, 'close');
  return answer;
}

export const connectTo = (host: string, then = ''): string =>
  `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n${then}`;

export const codesOf = ({ refusals }: Egress): string[] => refusals.map(({ code }) => code);

/** An HTTP server on loopback; gives its port. */
export async function web(answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

export const echo = () => listen((socket) => socket.pipe(socket));

/** A plain request to a proxy. */
export const get = (url: string): string => `GET ${url} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
