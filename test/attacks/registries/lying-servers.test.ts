import { createServer as createPlain, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openAgent, type Reach } from '../../../src/dependencies/fetch/agent.ts';
import { type GetOptions, get, getBytes } from '../../../src/dependencies/fetch/get.ts';
import { fetchLimits } from '../../../src/dependencies/fetch/limits.ts';
import { withLimits } from '../../support/with-limits.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

const here: Reach = async ({ host }) => [host];

interface Lie {
  url: string;
  /** Bytes that the server could write. */
  sent(): number;
  connections(): number;
}

/** A server that answers each connection in its own way. */
async function lying(
  answer: (write: (bytes: string | Buffer) => boolean, socket: Socket) => void,
): Promise<Lie> {
  let [sent, connections] = [0, 0];
  const sockets = new Set<Socket>();
  const server = createPlain((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () =>
      answer((bytes) => {
        if (socket.destroyed) return false;
        sent += bytes.length;
        return socket.write(bytes);
      }, socket),
    );
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}/file`, sent: () => sent, connections: () => connections };
}

/** Writes a piece again and again, as fast as it is taken. */
const endless =
  (head: string, piece: Buffer | string = Buffer.alloc(64 * KiB, 'x')) =>
  (write: (bytes: string | Buffer) => boolean, socket: Socket): void => {
    const more = (): void => {
      while (!socket.destroyed && write(piece));
    };
    socket.on('drain', more);
    write(head);
    more();
  };

/** Writes a piece every few milliseconds. */
const dripping =
  (head: string, piece = 'x') =>
  (write: (bytes: string) => boolean, socket: Socket): void => {
    write(head);
    const timer = setInterval(() => write(piece), 20);
    socket.on('close', () => clearInterval(timer));
  };

const ok = 'HTTP/1.1 200 OK\r\n';
const chunked = `${ok}transfer-encoding: chunked\r\n\r\n`;

type Limits = Partial<Record<keyof typeof fetchLimits, number>>;

async function fetched(url: string, limits: Limits, more: Partial<GetOptions> = {}): Promise<Buffer> {
  withLimits(fetchLimits, limits);
  const agent = await openAgent({ reach: here, isDirect: true });
  onTestFinished(() => agent.destroy());
  return getBytes({ url }, { agent, signal: AbortSignal.timeout(120_000), bytesMax: MiB, ...more });
}

describe('a server that sends', () => {
  it.each<[string, Parameters<typeof lying>[0], Limits, RegExp]>([
    ['a body without end', endless(`${ok}\r\n`), {}, /sends \d+ bytes or more; at most 1048576 are read/],
    [
      'a body without end or length, where no size is known',
      endless(`${ok}\r\n`),
      { undeclaredBytesMax: 64 * KiB },
      /at most 65536 are read/,
    ],
    ['chunks without end', endless(chunked, '4\r\nxxxx\r\n'.repeat(1000)), {}, /at most 1048576 are read/],
    [
      'a length over the limit',
      endless(`${ok}content-length: 3000000000\r\n\r\n`),
      {},
      /sends 3000000000 bytes/,
    ],
    [
      'a byte every now and then',
      dripping(`${ok}content-length: 9999\r\n\r\n`),
      { leastRateMs: 300 },
      /too slowly/,
    ],
    [
      'a byte a chunk every now and then',
      dripping(chunked, '1\r\nx\r\n'),
      { leastRateMs: 300 },
      /too slowly/,
    ],
    [
      'a head and then nothing',
      (write) => write(`${ok}content-length: 9\r\n\r\n`),
      { idleMs: 300 },
      /ends after 0/,
    ],
    ['nothing', () => {}, { idleMs: 300 }, /Headers Timeout/],
    ['a head without end', endless(ok, `x: ${'y'.repeat(500)}\r\n`), {}, /Headers Overflow/],
    ['a head that drips', dripping(ok, 'x: y\r\n'), { headMs: 500 }, /no answer within 0.5 s/],
    [
      'interim answers without end',
      dripping('', 'HTTP/1.1 103 Early Hints\r\n\r\n'),
      { headMs: 500 },
      /no answer within 0.5 s|Headers Timeout/,
    ],
    [
      'less than it says',
      (_, socket) => void socket.end(`${ok}content-length: 9\r\n\r\nabc`),
      {},
      /ends after 3/,
    ],
    ['no HTTP', (write) => write('SSH-2.0-x\r\n'), {}, /Parse Error|Invalid|Expected/i],
  ])('%s is given up', async (_, answer, limits, says) => {
    const server = await lying(answer);
    await expect(fetched(server.url, limits)).rejects.toThrow(says);
    expect(server.sent()).toBeLessThan(16 * MiB);
  });

  it('packed zeros gets them counted and compared as they came: nothing is unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(32 * MiB));
    const head = `${ok}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`;
    const server = await lying((write) => void write(Buffer.concat([Buffer.from(head), bomb])));
    expect((await fetched(server.url, {})).equals(bomb)).toBe(true);
  });

  const statuses = [['302 Found'], ['404 Not Found'], ['503 Service Unavailable']] as const;
  it.each(statuses)('a body without end with %s is not listened to', async (status) => {
    const to = await lying((write) => void write(`${ok}content-length: 4\r\n\r\nfile`));
    const head = `HTTP/1.1 ${status}\r\nlocation: ${to.url}\r\n\r\n`;
    const server = await lying(endless(head));
    const found = await fetched(server.url, {}).catch((error: Error) => error);
    if (status.startsWith('302')) expect(String(found)).toBe('file');
    else expect(found).toMatchObject({ message: `answered ${status.slice(0, 3)}` });
    expect(server.sent()).toBeLessThan(16 * MiB);
  });
});

describe('a slow reader', () => {
  it('is no slow server: the time counts in which bytes are waited for', async () => {
    const server = await lying((write) => void write(`${ok}content-length: 3\r\n\r\nabc`));
    withLimits(fetchLimits, { leastRateMs: 50 });
    const agent = await openAgent({ reach: here, isDirect: true });
    onTestFinished(() => agent.destroy());
    const signal = AbortSignal.timeout(120_000);
    const { body } = await get({ url: server.url }, { agent, signal, bytesMax: MiB });
    await new Promise((resolve) => setTimeout(resolve, 200));
    let text = '';
    for await (const part of body) text += String(Buffer.from(part));
    expect(text).toBe('abc');
  });
});
