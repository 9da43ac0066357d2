import { once } from 'node:events';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { codeOf, messageOf, QuorateError, reportedError } from '../protocol/base/errors.ts';
import { nodeLimits } from './limits.ts';

const lineBytesMax = 16 * 1024;
const connectionsMax = 16;
/** sun_path, unix(7), with its end mark. */
const socketPathBytesMax = 107;

/** Answers one request; throws a coded error, or a plain one for a request that it does not know. */
export type Answer = (request: unknown) => unknown;

/**
 * Serves requests of the user who runs a node alone: a unix socket in a folder of mode 0700, one line of JSON each way. Returns how to
 * close it. @throws CONTROL_UNAVAILABLE
 */
export async function serveControlSocket(path: string, answer: Answer): Promise<() => Promise<void>> {
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    const says = `${path} is longer than a socket path may be`;
    throw new QuorateError('CONTROL_UNAVAILABLE', says, { hint: 'Use a shorter --home.' });
  }
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    void respond(socket, answer);
  });
  server.maxConnections = connectionsMax;
  try {
    const folder = dirname(path);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    // The journal's lock shows that no other node of this kind runs here: a socket that exists is of one that died.
    await rm(path, { force: true });
    server.listen(path);
    await once(server, 'listening');
    // An accept that fails is one client's loss: without a listener it would end the node.
    server.on('error', () => {});
  } catch (cause) {
    throw new QuorateError('CONTROL_UNAVAILABLE', `cannot listen at ${path}: ${messageOf(cause)}`, {
      hint: 'The folder must be writable by you, on a file system that can hold sockets; --home names another.',
      cause,
    });
  }
  return async () => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      // The last answer is still sent.
      setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, 100).unref();
    });
    await rm(path, { force: true });
  };
}

async function respond(socket: Socket, answer: Answer): Promise<void> {
  let said: unknown;
  try {
    said = { ok: await answer(JSON.parse(await line(socket, lineBytesMax))) };
  } catch (error) {
    const told =
      error instanceof QuorateError ? error : new QuorateError('CONTROL_REQUEST_INVALID', messageOf(error));
    said = { error: { code: codeOf(told), message: told.message.slice(0, 500), hint: told.hint } };
  }
  socket.end(`${JSON.stringify(said)}\n`);
}

/** The first line that arrives, within bounds of size and time. */
function line(socket: Socket, bytesMax: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const fail = (message: string) => reject(new Error(message));
    socket.setEncoding('utf8').setTimeout(nodeLimits.controlMsMax, () => fail('nothing came for too long'));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > bytesMax) return fail('the line is too long');
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
    });
    socket.once('end', () => fail('the other side went away'));
    socket.once('error', reject);
  });
}

const answerSchema = z.union([
  z.object({ ok: z.unknown().refine((value) => typeof value === 'object' && value !== null) }),
  z.object({ error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }) }),
]);

/** A kind of process that is asked: its name, and the error for a socket on which none listens. */
interface ControlledProcess {
  process: string;
  absent(path: string, cause: unknown): QuorateError;
}

/** Sends a request to the node that serves this socket. @throws that of `absent`, CONTROL_LOST, and those that it answers with */
export async function askControlSocket(
  path: string,
  request: unknown,
  { process, absent }: ControlledProcess,
): Promise<unknown> {
  const socket = await connectControlSocket(path).catch((cause: unknown) => {
    throw absent(path, cause);
  });
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    const parsed = answerSchema.parse(JSON.parse(await line(socket, nodeLimits.controlAnswerBytesMax)));
    if ('ok' in parsed) return parsed.ok;
    const { code, message, hint } = parsed.error;
    throw reportedError(code, message, { hint });
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause;
    throw new QuorateError('CONTROL_LOST', `the ${process} did not answer: ${messageOf(cause)}`, {
      hint: 'It may be ending or be busy; ask again.',
      cause,
    });
  } finally {
    socket.destroy();
  }
}

/** Rejects when nobody listens there. */
export function connectControlSocket(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sockets of one kind of process, one for each project, in a folder of a home. */
export class ProjectSockets {
  readonly #of: { folder: string; process: string; start: string };

  /** `start`: the command that starts such a process. */
  constructor(of: { folder: string; process: string; start: string }) {
    this.#of = of;
  }

  /** The end of a PeerId distinguishes two projects; the whole of it would exceed the length of a path to a socket. */
  path(home: string, project: string): string {
    return join(home, this.#of.folder, `${project.slice(-12)}.sock`);
  }

  async names(home: string): Promise<string[]> {
    const all = await readdir(join(home, this.#of.folder)).catch(() => []);
    return all.filter((name) => name.endsWith('.sock'));
  }

  /** Asks the process that runs from this home. @throws PROCESS_NOT_RUNNING, MEMBERSHIP_AMBIGUOUS, CONTROL_LOST, and those that it answers with */
  async ask(home: string, project: string | undefined, request: unknown): Promise<unknown> {
    return askControlSocket(await this.#find(home, project), request, {
      process: this.#of.process,
      absent: (path, cause) => this.#absent(path, cause),
    });
  }

  async #find(home: string, project: string | undefined): Promise<string> {
    const kind = this.#of.process;
    const names = await this.names(home);
    if (project !== undefined) {
      const socket = this.path(home, project);
      if (names.length > 0 && !names.includes(basename(socket)))
        throw new QuorateError('PROCESS_NOT_RUNNING', `no ${kind} of ${project} runs from ${home}`, {
          hint: 'Those of other projects do. --project takes the id of a project: quorate project list shows it.',
        });
      return socket;
    }
    const [first, second] = names;
    if (first === undefined) throw this.#absent(home);
    if (second !== undefined)
      throw new QuorateError('MEMBERSHIP_AMBIGUOUS', `${names.length} ${kind}s run from ${home}`, {
        hint: 'Say which: --project <id>.',
      });
    return join(home, this.#of.folder, first);
  }

  #absent(where: string, cause?: unknown): QuorateError {
    const { process: kind, start } = this.#of;
    return new QuorateError('PROCESS_NOT_RUNNING', `no ${kind} answers at ${where}`, {
      hint: `Start one: ${start}. A ${kind} of another account is asked by that account, with its --home.`,
      cause,
    });
  }
}
