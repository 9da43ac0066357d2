import { connect, createServer, type Server } from 'node:net';
import { canonical, isPublic } from '../../../src/egress/addresses.ts';
import { type Egress, openEgressProxy } from '../../../src/egress/index.ts';
import { rulesOf } from '../../../src/execution/network.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { mutatedBytes, mutatedText } from '../arbitraries.ts';
import { Scratch } from '../corpus.ts';
import { type AnyTarget, define, must } from '../target.ts';

const waitMsMax = 50_000;
const allowed = { host: 'git.example', port: 80 };
const scratch = new Scratch();

let open: { egress: Egress; server: Server; port: number } | undefined;
/** Where the proxy was led to, which must never be anywhere else. */
const reached = new Set<string>();

/** A proxy to one name, which leads to a server here that answers anything. */
async function proxying() {
  if (open !== undefined) return open;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
    socket.once('end', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const egress = await openEgressProxy({
    dir: await scratch.dir(),
    targets: [allowed],
    privateTargets: [],
    receivedBytesMax: Number.MAX_SAFE_INTEGER,
    sentBytesMax: Number.MAX_SAFE_INTEGER,
    connectionsTotalMax: Number.MAX_SAFE_INTEGER,
    resolve: async () => [{ address: '93.184.215.14' }],
    connect: (address, at) => {
      reached.add(`${address}:${at}`);
      return connect(port, '127.0.0.1');
    },
  });
  open = { egress, server, port };
  return open;
}

const proxy = define<Uint8Array>({
  name: 'egress-proxy',
  seeds: async () =>
    [
      'CONNECT git.example:80 HTTP/1.1\r\nhost: git.example:80\r\n\r\nGET / HTTP/1.0\r\n\r\n',
      'GET http://git.example/a HTTP/1.1\r\nhost: git.example\r\nconnection: close\r\n\r\n',
      'POST http://git.example/a HTTP/1.1\r\nhost: git.example\r\ncontent-length: 1\r\nconnection: close\r\n\r\na',
    ].map((text) => toUtf8(text)),
  arbitrary: mutatedBytes,
  async run(bytes) {
    const { egress } = await proxying();
    const before = egress.counts.refused;
    const answer = await answerTo(egress.socket, bytes);
    for (const where of reached) must(where === '93.184.215.14:80', `it led to ${where}`);
    if (egress.counts.refused > before)
      throw new QuorateError('EGRESS_NOT_ALLOWED', 'what was asked for was refused');
    if (!/^HTTP\/1\.[01] 2\d\d /.test(answer)) throw new QuorateError('EGRESS_NOT_ALLOWED', 'no answer');
  },
  async close() {
    await open?.egress.close();
    open?.server.close();
    open = undefined;
    await scratch.close();
  },
});

function answerTo(path: string, bytes: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error('the proxy neither answers nor closes'));
    }, waitMsMax);
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.write(bytes);
    const hangUp = setTimeout(() => socket.destroySoon(), 100);
    socket.on('close', () => {
      clearTimeout(timer);
      clearTimeout(hangUp);
      resolve(text);
    });
  });
}

const addresses = define<string>({
  name: 'egress-address',
  seeds: async () => ['8.8.8.8', '127.0.0.1', '169.254.169.254', '2606:4700::1', '::ffff:10.0.0.1', '[::1]'],
  arbitrary: (seeds) => mutatedText(seeds, ['::', ':', '%', '.', '0x', '0', 'ffff', '[', ']']),
  run(text) {
    const address = canonical(text);
    if (!isPublic(address)) return;
    must(canonical(address) === address, 'an address with two spellings');
    must(!/^(?:10|127|0|169\.254|192\.168)\./.test(address), 'an address of a private network');
    must(!/^(?:::|fe|fc|fd|ff)/.test(address), 'an address of a private network');
  },
});

/** Where a controller says that its store is. */
const stores = define<string>({
  name: 'egress-store',
  seeds: async () => ['http://10.0.0.9:8080', 'https://store.example', 'http://[fd00::9]:80/x'],
  arbitrary: (seeds) => mutatedText(seeds, ['http://', '@', '[', ']', ':', '%', '\\', '10.0.0.9', '#', '?']),
  run(url) {
    const charter = { vcs: [], bootstrap: ['/ip4/10.0.0.9/tcp/1', '/ip6/fd00::9/tcp/1'] };
    const job = {
      network: ['store' as const],
      limits: { cpus: 1, memoryBytes: 1, diskBytes: 1, pids: 1, seconds: 1 },
    };
    const { targets, privateTargets } = rulesOf({
      job,
      charter,
      source: undefined,
      store: [url],
      privateHosts: 'named',
    });
    must(targets.length <= 1 && privateTargets.length <= targets.length, 'one URL is one server at most');
    for (const { host, port } of targets) {
      must(host !== '' && port > 0 && port < 65_536, `a server ${host} at port ${port}`);
      must(!/[\s@/\\]/.test(host), `a server with the name ${host}`);
    }
    for (const { host } of privateTargets)
      must(host === '10.0.0.9' || host === 'fd00::9', `${host} is not in the charter`);
  },
});

export const targets: readonly AnyTarget[] = [proxy, addresses, stores];
