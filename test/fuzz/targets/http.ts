import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { feedApp } from '../../../src/http/feed.ts';
import { type HttpServer, listenHttp } from '../../../src/http/listen.ts';
import { publicTrees } from '../../../src/node/artifacts/public-trees.ts';
import { HttpClient } from '../../../src/node/http-get.ts';
import { QuorateError, reportedError } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { project } from '../../support/project.ts';
import { mutatedBytes } from '../arbitraries.ts';
import { Scratch, tarBytes } from '../corpus.ts';
import { type AnyTarget, define, must } from '../target.ts';

const waitMsMax = 50_000;
const bundleName = 'bafyreibundle';

let open: { server: HttpServer; store: Store; root: string } | undefined;
const scratch = new Scratch();

async function serving() {
  if (open !== undefined) return open;
  const store = await openStore({ dir: await scratch.dir() });
  const tar = await tarBytes([
    { name: 'a', body: 'hello' },
    { name: 'b/c', body: 'world' },
  ]);
  const { root } = await store.importTar(Readable.from([tar], { objectMode: false }), { into: store.public });
  const view = {
    project,
    charter: () => 'c.h.a',
    offers: () => [],
    verdicts: () => [],
    revocations: () => ({ charters: [], revocations: [] }),
    checkpoint: () => ({ note: 'a note' }),
    bundle: async (which: string) => (which === bundleName ? '{"proof":1}' : undefined),
    bundleBytes: async () => undefined,
    level: () => 'none' as const,
    ...publicTrees(store, () => true),
  };
  open = {
    server: await listenHttp({
      host: '127.0.0.1',
      port: 0,
      app: feedApp(view),
      names: ['a'],
      limits: { idleMs: 1_000 },
    }),
    store,
    root,
  };
  return open;
}

let clients = 0;
/** The answer on a connection of its own, from an address of its own: one address would soon be told to wait. */
function answerTo(port: number, bytes: Uint8Array): Promise<string> {
  clients += 1;
  const localAddress = `127.${1 + (clients % 250)}.${Math.floor(clients / 250) % 250}.${1 + (Math.floor(clients / 62_500) % 250)}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error('the server neither answers nor closes'));
    }, waitMsMax);
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    // A server that has refused does not read on: what is still being sent breaks off.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
    // A client that hangs up is not answered; a request that was cut off is ended after a moment, so as not to wait for long.
    socket.write(bytes);
    const hangUp = setTimeout(() => socket.end(), 150);
    socket.on('close', () => clearTimeout(hangUp));
  });
}

const refusals = new Map<number, string>([
  ...([
    [400, 'HTTP_METHOD_NOT_ALLOWED'],
    [404, 'HTTP_NOT_FOUND'],
    [405, 'HTTP_METHOD_NOT_ALLOWED'],
    [408, 'HTTP_METHOD_NOT_ALLOWED'],
    [411, 'HTTP_LENGTH_REQUIRED'],
    [413, 'HTTP_BODY_TOO_LARGE'],
  ] as const),
  ...([
    [417, 'HTTP_BODY_TOO_LARGE'],
    [421, 'HTTP_HOST_UNKNOWN'],
    [429, 'HTTP_TOO_MANY_REQUESTS'],
    [431, 'HTTP_BODY_TOO_LARGE'],
    [503, 'HTTP_BUSY'],
  ] as const),
]);

const ask = (target: string, more = ''): string =>
  `GET ${target} HTTP/1.1\r\nhost: a\r\n${more}connection: close\r\n\r\n`;

const server = define<Uint8Array>({
  name: 'http-server',
  async seeds() {
    const { root } = await serving();
    const targets = [
      ...['offers', 'verdicts', 'charter', `bundle/${bundleName}`].map((path) => `/v1/${project}/${path}`),
      ...[`/ipfs/${root}?format=car`, `/ipfs/${root}?format=raw`],
    ];
    return [...targets.map((target) => ask(target)), ask(targets[0] ?? '').replace('GET', 'HEAD')].map(
      (text) => toUtf8(text),
    );
  },
  arbitrary: (seeds) => {
    const words = [
      '%2f',
      '%00',
      '..',
      '?',
      '#',
      '//',
      'HTTP/1.0',
      'HTTP/9.9',
      'POST',
      '\r\n',
      '\n',
      ' ',
      '\0',
      'x'.repeat(9_000),
      'a: b\r\n',
    ];
    const headers = [
      'transfer-encoding: chunked\r\n',
      'content-length: 5\r\n',
      'content-length: -1\r\n',
      'expect: 100-continue\r\n',
      'upgrade: h2c\r\nconnection: upgrade\r\n',
      'if-none-match: *\r\n',
      'range: bytes=0-1\r\n',
    ];
    return fc.oneof(
      mutatedBytes(seeds),
      fc
        .tuple(fc.constantFrom(...seeds), fc.constantFrom(...words, ...headers), fc.nat({ max: 300 }))
        .map(([seed, word, at]) => {
          const text = Buffer.from(seed).toString('latin1');
          const from = at % text.length;
          return new Uint8Array(Buffer.from(text.slice(0, from) + word + text.slice(from), 'latin1'));
        }),
      fc
        .tuple(fc.constantFrom(...seeds), fc.constantFrom(...headers))
        .map(
          ([seed, header]) =>
            new Uint8Array(
              Buffer.from(
                Buffer.from(seed).toString('latin1').replace('host: a\r\n', `host: a\r\n${header}`),
                'latin1',
              ),
            ),
        ),
      fc
        .string({ unit: 'binary-ascii', maxLength: 80 })
        .map((path) => toUtf8(ask(`/${path.replace(/[\r\n]/g, '')}`))),
    );
  },
  async run(bytes) {
    const { server: up } = await serving();
    const text = await answerTo(up.port, bytes);
    // Line ends alone, or a request that was cut off, get no answer.
    if (text === '') throw new QuorateError('HTTP_METHOD_NOT_ALLOWED', 'no answer');
    const statuses = [...text.matchAll(/(?:^|\n|\}|\])HTTP\/1\.1 (\d{3}) /g)].map(([, status]) =>
      Number(status),
    );
    must(statuses.length > 0, `an answer that is none: ${text.slice(0, 60)}`);
    // 206: what was asked for is a part.
    for (const status of statuses)
      must([100, 200, 206, 304].includes(status) || refusals.has(status), `status ${status}`);
    const refused = statuses.map((status) => refusals.get(status)).find((code) => code !== undefined);
    if (refused !== undefined) throw reportedError(refused, 'refused');
  },
  async close() {
    await open?.server.close();
    await open?.store.close();
    open = undefined;
    await scratch.close();
  },
});

/** A feed is asked for by workers: its server may say anything. */
let feed: { server: Server; port: number } | undefined;
let answer: Uint8Array = new Uint8Array();

async function feedPort(): Promise<number> {
  if (feed !== undefined) return feed.port;
  const server = createServer();
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answer));
    socket.once('end', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  feed = { server, port: (server.address() as AddressInfo).port };
  return feed.port;
}

const client = define<Uint8Array>({
  name: 'http-feed',
  seeds: async () =>
    [
      'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n[]',
      'HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\netag: "a"\r\n\r\n2\r\n[]\r\n0\r\n\r\n',
    ].map((text) => toUtf8(text)),
  arbitrary: mutatedBytes,
  async run(bytes) {
    answer = bytes;
    const port = await feedPort();
    const found = await new HttpClient().text(`http://127.0.0.1:${port}/a`, {
      etag: undefined,
      maxBytes: 100,
      signal: AbortSignal.timeout(waitMsMax),
    });
    must(found !== 'unchanged' && found.text.length <= 100, 'more was read than asked for');
  },
  async close() {
    feed?.server.closeAllConnections();
    feed?.server.close();
    feed = undefined;
  },
});

export const targets: readonly AnyTarget[] = [server, client];
