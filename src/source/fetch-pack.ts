import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect, isIP } from 'node:net';
import { addAbortSignal, type Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { ByteQueue } from '../protocol/base/byte-queue.ts';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { LeastRate } from '../protocol/base/least-rate.ts';
import type { SourceErrorCode } from './error-codes.ts';
import { sourceLimits } from './limits.ts';
import { type GitUrl, visible } from './url.ts';

/** A packet of a git server (gitprotocol-common(5)): its payload, or what a packet without one marks. */
type Packet = Buffer | 'flush' | 'delimiter' | 'end';

/** Digits of the length that a packet begins with, which counts them too. */
const headBytes = 4;
/** Longest packet, by git's own `LARGE_PACKET_MAX`. */
const packetBytesMax = 65_520;

const marks: Record<number, Exclude<Packet, Buffer>> = { 0: 'flush', 1: 'delimiter', 2: 'end' };

export function packet(text: string): string {
  return `${(headBytes + Buffer.byteLength(text)).toString(16).padStart(headBytes, '0')}${text}`;
}

const flushPacket = '0000';
const delimiterPacket = '0001';

/** The packets in a stream. Holds one of them at most. @throws Error where the stream is not of packets, or ends within one */
export async function* packetsOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Packet, void> {
  const held = new ByteQueue();
  for await (const chunk of stream) {
    held.push(chunk);
    while (held.length >= headBytes) {
      const head = held.peek(headBytes);
      const bytes = lengthOf(Buffer.from(head.buffer, head.byteOffset, headBytes));
      const mark = marks[bytes];
      const wanted = mark === undefined ? bytes : headBytes;
      if (held.length < wanted) break;
      const whole = held.take(wanted);
      yield mark ?? Buffer.from(whole.buffer, whole.byteOffset + headBytes, wanted - headBytes);
    }
  }
  if (held.length > 0) throw new Error('unexpected end of the answer');
}

function lengthOf(bytes: Buffer): number {
  const digits = bytes.toString('latin1', 0, headBytes);
  const length = /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
  if (length in marks || (length >= headBytes && length <= packetBytesMax)) return length;
  throw new Error(`bad line length ${JSON.stringify(digits)}`);
}

/** Connects to the server of a source, if it may. @throws what stands against it */
export type ConnectServer = (signal: AbortSignal) => Promise<Duplex>;

/** Connects. The signal is the only limit on its time. */
export const connectTo =
  ({ host, port }: GitUrl): ConnectServer =>
  async (signal) => {
    const socket = connect({ host: bare(host), port });
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };

/** An IPv6 address without brackets. */
const bare = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');

export interface PackRequest {
  /** Of git, http or https. */
  url: GitUrl;
  commit: string;
  connect: ConnectServer;
  signal: AbortSignal;
  onLife(): void;
  /** Window of the least rate, in which a pack that has begun comes. Default: `limits.leastRateMs`. */
  leastRateMs?: number;
}

/** The server sends no pack in this way: git itself may have more success, or a better explanation. Thrown before the first byte. */
export class NoPack extends Error {
  /** Whether the server answered that it does not have or does not serve the commit. */
  get isMissing(): boolean {
    return /not our ref|unadvertised object/i.test(this.message);
  }
}

/** Packets before the pack: capabilities of the server, and the line that says where the history is cut. */
const headPacketsMax = 64;

/**
 * The pack of one commit without its parents, unchecked, as the server sends it (gitprotocol-v2(5), gitprotocol-pack(5)).
 * A server before version 2 of the protocol does not understand the request, and there is no pack then.
 * @throws NoPack, SOURCE_UNREACHABLE, SOURCE_SERVER_ERROR and SOURCE_STALLED (once the pack has begun)
 */
export async function* fetchPack(asked: PackRequest): AsyncGenerator<Buffer, void> {
  const server = await asked.connect(asked.signal).catch((cause: unknown) => {
    asked.signal.throwIfAborted();
    // Git asks a busy server again.
    if ((cause as NodeJS.ErrnoException).code === 'ECONNRESET') throw new NoPack(messageOf(cause));
    throw new QuorateError(
      'SOURCE_UNREACHABLE',
      `the version control server cannot be reached: ${messageOf(cause)}`,
      { hint: 'Check the host, the port and the network.', cause },
    );
  });
  let begun = false;
  try {
    addAbortSignal(asked.signal, server);
    for await (const bytes of packBytes(asked, server)) {
      begun = true;
      yield bytes;
    }
  } catch (error) {
    if (error instanceof QuorateError) throw error;
    const why = visible(messageOf(error)).slice(0, 300);
    if (!begun) throw new NoPack(why);
    throw new QuorateError('SOURCE_SERVER_ERROR', `the version control server sent invalid data (${why})`, {
      hint: 'Check the repository with git fsck.',
      cause: error,
    });
  } finally {
    server.destroy();
  }
}

async function* packBytes(asked: PackRequest, server: Duplex): AsyncGenerator<Buffer> {
  const { url, onLife, leastRateMs } = asked;
  const rate = new LeastRate(leastRateMs);
  const isHttp = url.protocol !== 'git';
  const answer = isHttp ? await askByHttp(asked, server) : askByGit(asked, server);
  const packets = packetsOf(answer);
  const next = async (): Promise<Packet> => {
    const { value, done } = await packets.next();
    onLife();
    if (done === true) throw new Error('unexpected end of the answer');
    if (Buffer.isBuffer(value) && startsWith(value, 'ERR ')) throw new Error(value.toString('utf8', 4));
    return value;
  };
  if (!isHttp) await readCapabilities(next);
  await readHead(next);
  let [begun, talk] = [false, 0];
  for (;;) {
    const at = performance.now();
    const part = await next();
    if (!Buffer.isBuffer(part)) return;
    const isPack = part[0] === 1;
    if (part[0] === 3) throw new Error(`remote: ${part.toString('utf8', 1)}`);
    talk += isPack ? 0 : part.length;
    if (talk > sourceLimits.talkBytesMax) throw failed('SOURCE_SERVER_ERROR', 'talks without end');
    if (begun && rate.isBelow(isPack ? part.length : 0, performance.now() - at))
      throw failed('SOURCE_STALLED', 'sends the pack too slowly');
    // A server may take long before a pack, and says so meanwhile.
    begun ||= isPack;
    if (isPack && part.length > 1) yield part.subarray(1);
  }
}

const failed = (code: SourceErrorCode, what: string): QuorateError =>
  new QuorateError(code, `the version control server ${what}`, {
    hint: 'Try again later, or use another server.',
  });

/** The server's capabilities, of which none is needed but the version itself. */
async function readCapabilities(next: () => Promise<Packet>): Promise<void> {
  const first = await next();
  if (!Buffer.isBuffer(first) || !/^version 2\n?$/.test(first.toString('latin1')))
    throw new Error('the server does not speak version 2 of the protocol');
  for (let count = 0; (await next()) !== 'flush'; count += 1)
    if (count > headPacketsMax) throw new Error('too many capabilities');
}

async function readHead(next: () => Promise<Packet>): Promise<void> {
  for (let count = 0; count < headPacketsMax; count += 1) {
    const line = await next();
    if (Buffer.isBuffer(line) && /^packfile\n?$/.test(line.toString('latin1'))) return;
    if (line === 'flush' || line === 'end') break;
  }
  throw new Error('the answer holds no pack');
}

const startsWith = (bytes: Buffer, text: string): boolean =>
  bytes.toString('latin1', 0, text.length) === text;

/** SHA-1 is what is meant where no format is named, also by servers that know of no other. */
const fetchCommand = (commit: string): string =>
  [
    packet('command=fetch\n'),
    ...(commit.length === 64 ? [packet('object-format=sha256\n')] : []),
    delimiterPacket,
    packet('ofs-delta\n'),
    packet('deepen 1\n'),
    packet(`want ${commit}\n`),
    packet('done\n'),
    flushPacket,
  ].join('');

/** gitprotocol-pack(5), "Git Transport". */
function askByGit({ url, commit }: PackRequest, server: Duplex): Duplex {
  const { host, port, usualPort } = url;
  const path = decodeURIComponent(url.path);
  // Either would end the path, as the server reads it.
  if (/[\0\n]/.test(path)) throw new Error('the path of the repository holds a control character');
  const name = port === usualPort ? host : `${host}:${port}`;
  server.write(packet(`git-upload-pack ${path}\0host=${name}\0\0version=2\0`) + fetchCommand(commit));
  return server;
}

/** gitprotocol-http(5), "Smart Service git-upload-pack", without a request for references before. */
async function askByHttp({ url, commit }: PackRequest, server: Duplex): Promise<IncomingMessage> {
  const { protocol, href, host, path } = url;
  const connection = protocol === 'https' ? await overTls(server, host) : server;
  const asking = request({
    createConnection: () => connection,
    method: 'POST',
    path: `${path.replace(/\/$/, '')}/git-upload-pack`,
    headers: {
      host: new URL(href).host,
      connection: 'close',
      'user-agent': 'git/2 (quorate)',
      'git-protocol': 'version=2',
      'content-type': 'application/x-git-upload-pack-request',
      accept: 'application/x-git-upload-pack-result',
    },
  });
  asking.end(fetchCommand(commit));
  const answer = await answerOf(asking);
  const { statusCode, headers } = answer;
  if (statusCode === 200 && headers['content-type'] === 'application/x-git-upload-pack-result') return answer;
  throw new Error(`the server answered with status ${statusCode}`);
}

/** Its head. What is wrong later, even within the packet that brought it, is an error of the answer. */
function answerOf(asking: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | undefined;
    asking.once('response', (found) => {
      answer = found;
      resolve(found);
    });
    asking.on('error', (error) => {
      answer?.destroy(error);
      reject(error);
    });
    asking.once('close', () => reject(new Error('the server closed the connection without an answer')));
  });
}

let trusted: SecureContext | undefined;

/** TLS with the certificates that the host trusts, as git has them. */
async function overTls(server: Duplex, host: string): Promise<Duplex> {
  trusted ??= createSecureContext({ ca: getCACertificates('system') });
  const name = bare(host);
  const secured = connectTls({
    socket: server,
    host: name,
    ...(isIP(name) === 0 && { servername: name }),
    secureContext: trusted,
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
  });
  // Its reader hears that it has ended; what comes before it is read is no error of this process.
  secured.on('error', () => {});
  await once(secured, 'secureConnect');
  return secured;
}
