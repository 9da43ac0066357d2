import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf, messageOf, QuorateError, reportedError } from '../../core/errors.ts';
import { type KnobChanges, knobList } from '../../core/lending-knobs.ts';
import type { Operator, OperatorStatus } from './operator.ts';

const positive = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

function valueSchema({ type, min = 1, max = Number.MAX_SAFE_INTEGER }: (typeof knobList)[number]) {
  if (type === 'priority') return z.enum(['low', 'idle']);
  return type === 'rate' || type === 'share' ? positive.min(min).max(max) : positive;
}

const changes = Object.fromEntries(
  knobList
    .filter(({ option }) => option !== undefined)
    .map((knob) => {
      const value = valueSchema(knob);
      return [knob.field, (knob.lifts ? value.nullable() : value).optional()];
    }),
);
const requestSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.enum(['status', 'pause', 'resume', 'drain', 'stop']) }),
  z.strictObject({ do: z.literal('limits'), ...changes }),
]);
export type ControlRequest =
  | { do: 'status' | 'pause' | 'resume' | 'drain' | 'stop' }
  | ({ do: 'limits' } & KnobChanges);

/** `missed`: limits that a running build could not be held to. */
export interface ControlAnswer {
  status: OperatorStatus;
  missed: string[];
}

const lineBytesMax = 16 * 1024;
const answerBytesMax = 1024 * 1024;
const waitMs = 5_000;
const connectionsMax = 16;
/** sun_path, unix(7), with its end mark. */
const socketPathBytesMax = 107;

const folderOf = (home: string): string => join(home, 'control');
/** The end of a PeerId distinguishes two projects; the whole of it would exceed the path limit. */
const socketOf = (home: string, project: string): string =>
  join(folderOf(home), `${project.slice(-12)}.sock`);

/**
 * Accepts requests such as pause and drain from the user who runs the worker and from nobody else: a unix socket in a
 * folder of mode 0700, one line of JSON each way. Errors: `CONTROL_PATH_TOO_LONG`, `CONTROL_UNAVAILABLE`.
 */
export async function serveControl(
  home: string,
  project: string,
  operator: Operator,
): Promise<() => Promise<void>> {
  const path = socketOf(home, project);
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    throw new QuorateError('CONTROL_PATH_TOO_LONG', `${path} is longer than a socket path may be`, {
      hint: 'Use a shorter --home.',
    });
  }
  await mkdir(folderOf(home), { recursive: true, mode: 0o700 });
  await chmod(folderOf(home), 0o700);
  // The journal's lock shows that no other worker of this project runs here: a socket that exists is of one that died.
  await rm(path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    void answer(socket, operator);
  });
  server.maxConnections = connectionsMax;
  await listening(server, path);
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
    server.once('error', (cause) =>
      reject(
        new QuorateError('CONTROL_UNAVAILABLE', `cannot listen at ${path}: ${cause.message}`, {
          hint: 'The folder must be writable by you, on a file system that can hold sockets; --home names another.',
          cause,
        }),
      ),
    );
    server.listen(path, () => resolve());
  });
}

async function answer(socket: Socket, operator: Operator): Promise<void> {
  let said: unknown;
  try {
    const request = requestSchema.parse(JSON.parse(await line(socket, lineBytesMax))) as ControlRequest;
    said = { ok: perform(operator, request) };
  } catch (error) {
    const hint = error instanceof QuorateError ? error.hint : undefined;
    said = {
      error: {
        code: error instanceof QuorateError ? codeOf(error) : 'CONTROL_REQUEST_INVALID',
        message: messageOf(error).slice(0, 500),
        ...(hint === undefined ? {} : { hint }),
      },
    };
  }
  socket.end(`${JSON.stringify(said)}\n`);
}

function perform(operator: Operator, request: ControlRequest): ControlAnswer {
  let missed: string[] = [];
  if (request.do === 'limits') {
    const { do: _, ...changes } = request;
    missed = operator.limit(changes);
  } else if (request.do !== 'status') operator[request.do]();
  return { status: operator.status(), missed };
}

/** The first line that arrives, within bounds of size and time. */
function line(socket: Socket, bytesMax: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const fail = (message: string) => reject(new Error(message));
    socket.setEncoding('utf8').setTimeout(waitMs, () => fail('nothing came for too long'));
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
  z.object({ ok: z.custom<ControlAnswer>((value) => typeof value === 'object' && value !== null) }),
  z.object({ error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }) }),
]);

/** Sends a request to the worker that runs from this home. Errors: `WORKER_NOT_RUNNING`, `WORKER_AMBIGUOUS`, `CONTROL_…`, `LIMITS_…`. */
export async function askWorker(
  home: string,
  project: string | undefined,
  request: ControlRequest,
): Promise<ControlAnswer> {
  const socket = await connected(await socketFor(home, project));
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    const parsed = answerSchema.parse(JSON.parse(await line(socket, answerBytesMax)));
    if ('ok' in parsed) return parsed.ok;
    const { code, message, hint } = parsed.error;
    throw reportedError(code, message, hint === undefined ? {} : { hint });
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause;
    throw new QuorateError('CONTROL_LOST', `the worker did not answer: ${messageOf(cause)}`, {
      hint: 'It may be ending or be busy; ask again.',
      cause,
    });
  } finally {
    socket.destroy();
  }
}

/** Whether a worker of this project answers here. */
export async function isWorkerRunning(home: string, project: string): Promise<boolean> {
  const socket = await connected(socketOf(home, project)).catch(() => undefined);
  socket?.destroy();
  return socket !== undefined;
}

async function socketFor(home: string, project: string | undefined): Promise<string> {
  if (project !== undefined) return socketOf(home, project);
  const names = (await readdir(folderOf(home)).catch(() => [])).filter((name) => name.endsWith('.sock'));
  const [first, second] = names;
  if (first === undefined) throw notRunning(home);
  if (second !== undefined) {
    throw new QuorateError('WORKER_AMBIGUOUS', `${names.length} workers run from ${home}`, {
      hint: 'Say which: --project <id>.',
    });
  }
  return join(folderOf(home), first);
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', (cause) => reject(notRunning(path, cause)));
  });
}

const notRunning = (where: string, cause?: unknown): QuorateError =>
  new QuorateError('WORKER_NOT_RUNNING', `no worker answers at ${where}`, {
    hint: 'Start one: quorate join. A worker of another account is asked by that account, with its --home.',
    cause,
  });
