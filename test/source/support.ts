import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { type CommitOptions, type ReadCommit, readCommit } from '../../src/source/index.ts';

export { codeOf } from '../support/codes.ts';

export async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-source-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Runs a program with fixed names and times for git, and without the machine's configuration. */
function run(cwd: string, program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      HOME: cwd,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@example.org',
      GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z',
      GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z',
    },
  }).trim();
}

export function git(cwd: string, ...args: string[]): string {
  return run(cwd, 'git', '-c', 'protocol.file.allow=always', ...args);
}

export async function repo(): Promise<string> {
  const dir = await folder();
  git(dir, 'init', '-q', '-b', 'main');
  return dir;
}

/** One process of this one, whose memory each start of a program copies the tables of; and none of git's that looks after the repository. */
const committing =
  'git add -A && git -c maintenance.auto=false commit -q --allow-empty -m "$1" && git rev-parse HEAD';

export function commitAll(dir: string, message = 'change'): string {
  return run(dir, 'sh', '-c', committing, 'sh', message);
}

/** A commit of no files with these lines of its object, which "git commit" would not write. */
export function commitOf(dir: string, author: string, committer: string): string {
  const tree = git(dir, 'hash-object', '-t', 'tree', '-w', '/dev/null');
  const text = `tree ${tree}\nauthor ${author}\ncommitter ${committer}\n\nx\n`;
  return execFileSync('git', ['hash-object', '-t', 'commit', '-w', '--stdin'], {
    cwd: dir,
    encoding: 'utf8',
    input: text,
  }).trim();
}

export async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

let execPath: string | undefined;

/** Not by `git NAME`, which is another process for each. */
function programOfGit(name: string): string {
  execPath ??= git(tmpdir(), '--exec-path');
  return join(execPath, name);
}

/** A real git daemon over the folder that holds `dir`; returns the repository's URL. */
export async function serve(dir: string): Promise<string> {
  const port = await freePort();
  const daemon = spawn(
    programOfGit('git-daemon'),
    ['--listen=127.0.0.1', `--port=${port}`, '--export-all', '--reuseaddr', `--base-path=${dir}`, dir],
    { stdio: 'ignore', env: { PATH: process.env.PATH ?? '', HOME: dir, GIT_CONFIG_NOSYSTEM: '1' } },
  );
  onTestFinished(() => {
    daemon.kill('SIGKILL');
  });
  for (let tries = 0; ; tries += 1) {
    const socket = connect(port, '127.0.0.1');
    const up = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (up) break;
    if (tries > 24_000) throw new Error('git daemon did not start');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return `git://127.0.0.1:${port}/.git`;
}

/** Git's own HTTP server program behind a real HTTP server; returns the repository's URL. */
export async function serveHttp(dir: string): Promise<string> {
  const program = programOfGit('git-http-backend');
  const server = createHttpServer((request, response) => {
    const [path, query] = (request.url ?? '').split('?');
    const child = spawn(program, [], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: {
        PATH: process.env.PATH ?? '',
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_PROJECT_ROOT: dir,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: path ?? '',
        QUERY_STRING: query ?? '',
        REQUEST_METHOD: request.method ?? '',
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      },
    });
    request.pipe(child.stdin);
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.on('close', () => {
      const all = Buffer.concat(output);
      const end = all.indexOf('\r\n\r\n');
      for (const line of all.subarray(0, end).toString().split('\r\n')) {
        const [name, value] = line.split(': ');
        if (name === 'Status') response.statusCode = Number.parseInt(value ?? '', 10);
        else if (name !== undefined && value !== undefined) response.setHeader(name, value);
      }
      response.end(all.subarray(end + 4));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}/.git`;
}

/** In front of a daemon, takes the wish for protocol 2 out of each request, as an old server would not hear it. */
export async function oldServer(url: string): Promise<string> {
  const { port, pathname } = new URL(url);
  const own = await listen((client) => {
    const upstream = connect(Number(port), '127.0.0.1');
    upstream.on('error', () => client.destroy());
    let request = '';
    const onData = (chunk: Buffer): void => {
      request += chunk.toString('latin1');
      if (request.length < 4 || request.length < Number.parseInt(request.slice(0, 4), 16)) return;
      client.off('data', onData);
      const text = request.slice(4).replace('\0version=2\0', '');
      upstream.write(Buffer.from((text.length + 4).toString(16).padStart(4, '0') + text, 'latin1'));
      client.pipe(upstream);
    };
    client.on('data', onData);
    upstream.pipe(client);
  });
  return `git://127.0.0.1:${own}${pathname}`;
}

/** The files of a commit in the new folder `dest`, unpacked by the system's own tar; git works in the folder above. */
export function checkout(
  url: string,
  commit: string,
  dest: string,
  options: Omit<CommitOptions, 'dir'> = {},
): Promise<ReadCommit<void>> {
  return readCommit(url, commit, { ...options, dir: dirname(dest) }, async (tar) => {
    const archive = `${dest}.tar`;
    await writeFile(archive, tar);
    await mkdir(dest);
    execFileSync('tar', ['-x', '-f', archive, '-C', dest]);
    await rm(archive);
  });
}
