import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { connectTo, fetchPack, NoPack } from '../../../src/source/fetch-pack.ts';
import { parseGitUrl } from '../../../src/source/url.ts';
import { folder, listen } from '../../source/support.ts';
import { run, some } from './support.ts';

/** Asks a server that answers with these bytes, in one write, and then resets the connection. Gives why there is no pack. */
async function asked(protocol: 'http' | 'git', answer: string): Promise<string> {
  const port = await listen((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(answer, () => setTimeout(() => socket.resetAndDestroy(), 20)));
  });
  // An error that no promise carries ends the process, and with it all builds of a worker.
  const uncaught: string[] = [];
  const keep = ({ message }: Error) => uncaught.push(message);
  process.prependListener('uncaughtException', keep);
  onTestFinished(() => void process.off('uncaughtException', keep));
  const packs = fetchPack({
    url: parseGitUrl(`${protocol}://127.0.0.1:${port}/r`),
    commit: some,
    connect: async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
    signal: AbortSignal.timeout(120_000),
    onLife: () => {},
  });
  const error = await packs.next().catch((thrown: unknown) => thrown);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(uncaught).toEqual([]);
  expect(error).toBeInstanceOf(NoPack);
  return (error as NoPack).message;
}

const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-result\r\n';

it.each([
  ['a chunk that is none, beside the head', `${head}transfer-encoding: chunked\r\n\r\nZZZ\r\n`, 'chunk size'],
  [
    'a switch to another protocol',
    'HTTP/1.1 101 x\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
    'without an',
  ],
  ['two lengths', `${head}content-length: 4\r\ncontent-length: 5\r\n\r\n0000`, 'Content-Length'],
  ['a head without end', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}`, 'Header overflow'],
  ['half an answer', `${head}content-length: 100\r\n\r\n0000`, 'no pack'],
  ['no HTTP', '\x16\x03\x01\x00\x05hello', 'Expected HTTP'],
  ['nothing', '', ''],
])('a server that answers by http with %s fails the checkout only', async (_, answer, why) => {
  expect(await asked('http', answer)).toContain(why);
});

it.each([
  ['no packets', 'HTTP/1.1 404 x\r\n\r\n', 'bad line length'],
  ['a packet that is cut off', '0fff', ''],
  ['capabilities without end', `000eversion 2\n${'0006ab'.repeat(100)}`, 'too many'],
])('a server that answers by git with %s fails the checkout only', async (_, answer, why) => {
  expect(await asked('git', answer)).toContain(why);
});

/** Takes a pack by git from a server that says this, and then a piece again and again. Gives the error. */
async function taken(head: string, piece: string, everyMs: number): Promise<unknown> {
  const port = await listen((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(head);
      const more = () => {
        if (socket.destroyed) return;
        if (everyMs > 0) setTimeout(more, everyMs);
        else if (!socket.writableNeedDrain) setImmediate(more);
        else socket.once('drain', more);
        socket.write(piece);
      };
      more();
    });
  });
  const url = parseGitUrl(`git://127.0.0.1:${port}/r`);
  const signal = AbortSignal.timeout(120_000);
  const asking = { url, commit: some, connect: connectTo(url), signal, onLife: () => {} };
  const limits = everyMs > 0 ? { leastRateMs: 300 } : {};
  try {
    for await (const _ of fetchPack({ ...asking, ...limits }));
  } catch (error) {
    return error;
  }
  return undefined;
}

const begun = '000eversion 2\n0000000dpackfile\n';

it.each([
  ['a byte of a pack every now and then', `${begun}0009\x01PACK`, '0006\x01x', 20, 'SOURCE_STALLED'],
  ['signs of life within a pack', `${begun}0009\x01PACK`, '0005\x02', 20, 'SOURCE_STALLED'],
  ['progress without end', begun, `fff0\x02${'x'.repeat(0xffeb)}`, 0, 'SOURCE_SERVER_ERROR'],
])('a server that sends %s is given up', async (_, head, piece, everyMs, code) => {
  expect(await taken(head, piece, everyMs)).toMatchObject({ code });
});

/** A client of one pack in a process of its own, which trusts a certificate. It prints why it gets none. */
const client = (port: number) => `
import { once } from 'node:events';
import { connect } from 'node:net';
import { CountedStream } from '${new URL('../../../src/egress/proxy.ts', import.meta.url)}';
import { fetchPack } from '${new URL('../../../src/source/fetch-pack.ts', import.meta.url)}';
import { parseGitUrl } from '${new URL('../../../src/source/url.ts', import.meta.url)}';
const packs = fetchPack({
  url: parseGitUrl('https://localhost:${port}/r'), commit: '${some}', signal: AbortSignal.timeout(120_000), onLife() {},
  connect: async () => {
    const socket = connect(${port}, '127.0.0.1');
    await once(socket, 'connect');
    return new CountedStream(socket, { received() {}, sent() {} });
  },
});
await packs.next().catch((error) => console.log(error.constructor.name));
await new Promise((resolve) => setTimeout(resolve, 100));`;

it('somebody on the way who adds to the first answer of a server by https fails the checkout only', async () => {
  const dir = await folder();
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const subject = ['-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    ...subject,
  ]);
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (socket) => {
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const port = await listen((near) => {
    const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
    for (const socket of [near, far]) socket.on('error', () => {});
    near.pipe(far);
    far.once('data', (first: Buffer) => {
      near.write(Buffer.concat([first, Buffer.from('no record of TLS')]));
      far.pipe(near);
    });
  });
  const words = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', client(port)];
  const { stdout } = await run(process.execPath, words, { env: { ...process.env, SSL_CERT_FILE: cert } });
  expect(stdout.trim()).toBe('NoPack');
});
