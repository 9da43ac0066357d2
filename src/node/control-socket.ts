import { chmod, mkdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { z } from 'zod';
import { codeOf, messageOf, QuorateError, reportedError } from '../protocol/base/errors.ts';
import { nodeLimits } from './limits.ts';

const lineBytesMax = 16 * 1024;
const connectionsMax = 16;
/** sun_path, unix(7), with its end mark. */
const socketPathBytesMax = 107;

/** Answers one request; throws a coded error, or a plain one for a request that it does not know. */
export type Answer = (request: unknown) => unknown;

/** The error of a request that is not known. */
export type Invalid = (message: string) => QuorateError;

/**
 * Serves requests of the user who runs a node and of nobody else: a unix socket in a folder of mode 0700, one line of JSON each
 * way. Returns how to close it.
 * Errors: `CONTROL_UNAVAILABLE`.
 */
export async function serveControlSocket(
  path: string,
  invalid: Invalid,
  answer: Answer,
): Promise<() => Promise<void>> {
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    throw new QuorateError('CONTROL_UNAVAILABLE', `${path} is longer than a socket path may be`, {
      hint: 'Use a shorter --home.',
    });
  }
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    void respond(socket, invalid, answer);
  });
  server.maxConnections = connectionsMax;
  try {
    const folder = dirname(path);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    // The journal's lock shows that no other node of this kind runs here: a socket that exists is of one that died.
    await rm(path, { force: true });
    await listening(server, path);
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

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
}

async function respond(socket: Socket, invalid: Invalid, answer: Answer): Promise<void> {
  let said: unknown;
  try {
    said = { ok: await answer(JSON.parse(await line(socket, lineBytesMax))) };
  } catch (error) {
    const told = error instanceof QuorateError ? error : invalid(messageOf(error));
    said = {
      error: {
        code: codeOf(told),
        message: told.message.slice(0, 500),
        ...(told.hint === undefined ? {} : { hint: told.hint }),
      },
    };
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

/** Errors for a socket on which nobody listens, and for an answer that does not come. */
export interface ControlFailures {
  absent(path: string, cause: unknown): QuorateError;
  lost(cause: unknown): QuorateError;
}

/** Sends a request to the node that serves this socket. Errors: `failures`, and those that it answers with. */
export async function askControlSocket(
  path: string,
  request: unknown,
  failures: ControlFailures,
): Promise<unknown> {
  const socket = await connectControlSocket(path).catch((cause: unknown) => {
    throw failures.absent(path, cause);
  });
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    const parsed = answerSchema.parse(JSON.parse(await line(socket, nodeLimits.controlAnswerBytesMax)));
    if ('ok' in parsed) return parsed.ok;
    const { code, message, hint } = parsed.error;
    throw reportedError(code, message, hint === undefined ? {} : { hint });
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause;
    throw failures.lost(cause);
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
