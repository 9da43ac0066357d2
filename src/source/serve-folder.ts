import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { homedir } from 'node:os';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { packet } from './fetch-pack.ts';
import { sourceLimits } from './limits.ts';

interface ServedFolder {
  port: number;
  /** Ends all fetches. */
  close(): Promise<void>;
}

/**
 * Serves one repository of this host, for reading, at `git://127.0.0.1:<port>/<name>`. Each fetch is one `git upload-pack`, which ends with its
 * connection: nothing is left when this process is killed. `port`: 0 for any. @throws SOURCE_SERVE_FAILED
 */
export async function serveFolder(
  root: string,
  { name, port, env = {} }: { name: string; port: number; env?: Readonly<Record<string, string>> },
): Promise<ServedFolder> {
  const open = new Set<Socket>();
  /** Those that have not said yet what they fetch, the oldest first. */
  const silent = new Set<Socket>();
  const server = createServer((socket) => {
    // Any user of this host may connect: whoever only holds a connection gives way.
    const [oldest = socket] = silent;
    if (open.size >= sourceLimits.servedAtOnceMax) end(oldest);
    if (socket.destroyed) return;
    open.add(socket);
    silent.add(socket);
    socket.on('error', () => socket.destroy()).once('close', () => forget(socket));
    const requested = requestOf(socket).finally(() => silent.delete(socket));
    void answer(socket, requested, root, name, env).catch(() => socket.destroy());
  });
  const forget = (socket: Socket) => {
    open.delete(socket);
    silent.delete(socket);
  };
  const end = (socket: Socket) => {
    forget(socket);
    socket.destroy();
  };
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.on('error', () => {});
  } catch (cause) {
    const message = `cannot listen at 127.0.0.1:${port}: ${messageOf(cause)}`;
    throw new QuorateError('SOURCE_SERVE_FAILED', message, { cause });
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

async function answer(
  socket: Socket,
  requested: Promise<string>,
  root: string,
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  socket.setTimeout(sourceLimits.servedIdleMsMax, () => socket.destroy());
  endsAfter(socket, sourceLimits.servedMsMax);
  const stopWaiting = endsAfter(socket, sourceLimits.servedRequestMsMax);
  const request = await requested;
  stopWaiting();
  const [command, , ...extra] = request.split('\0');
  if (command !== `git-upload-pack /${name}`) {
    socket.end(packet(`ERR there is only /${name} here, and it is only read\n`));
    return;
  }
  const child = spawn(
    'git',
    ['upload-pack', `--timeout=${sourceLimits.servedIdleMsMax / 1000}`, '--', root],
    {
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        HOME: homedir(),
        LC_ALL: 'C',
        ...env,
        ...(extra.includes('version=2') && { GIT_PROTOCOL: 'version=2' }),
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  child.on('error', () => socket.destroy());
  // Writing to one that has ended fails, which its end tells as well.
  child.stdin.on('error', () => {});
  socket.once('close', () => child.kill('SIGKILL'));
  socket.pipe(child.stdin);
  child.stdout.pipe(socket);
}

/** The first packet of gitprotocol-pack(5): `git-upload-pack /name\0host=…\0\0version=2\0`. Rejects at its bound. */
function requestOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0);
    const take = (chunk: Buffer) => {
      read = Buffer.concat([read, chunk]);
      const length = read.length < 4 ? 4 : Number.parseInt(read.toString('latin1', 0, 4), 16);
      if (!(length >= 4 && length <= sourceLimits.servedRequestBytesMax)) {
        reject(new Error('no request of git'));
        return;
      }
      if (read.length < 4 || read.length < length) return;
      socket.off('data', take).pause();
      if (read.length > length) socket.unshift(read.subarray(length));
      resolve(read.toString('utf8', 4, length));
    };
    socket.on('data', take).once('close', () => reject(new Error('closed before its request')));
  });
}

/** However much it says meanwhile. The result takes that back. */
function endsAfter(socket: Socket, ms: number): () => void {
  const timer = setTimeout(() => socket.destroy(), ms);
  socket.once('close', () => clearTimeout(timer));
  return () => clearTimeout(timer);
}
