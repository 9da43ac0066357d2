import { z } from 'zod';
import { connectControlSocket, ProjectSockets, serveControlSocket } from '../../node/control-socket.ts';
import { isHostEntry } from '../../protocol/base/host-entry.ts';
import { type KnobChanges, knobList } from '../lending-knobs.ts';
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
  z.object({ do: z.enum(['status', 'pause', 'resume', 'drain', 'stop']) }),
  z.strictObject({
    do: z.literal('allow'),
    host: z.string().refine(isHostEntry, 'expected host or host:port'),
    withdraw: z.literal(true).optional(),
  }),
  // A limit that this version does not know is refused: its operator would believe it in force.
  z.strictObject({ do: z.literal('limits'), ...changes }),
]);
export type ControlRequest =
  | { do: 'status' | 'pause' | 'resume' | 'drain' | 'stop' }
  | { do: 'allow'; host: string; withdraw?: true | undefined }
  | ({ do: 'limits' } & KnobChanges);

/** `missed`: limits that a running build could not be held to. */
export interface ControlAnswer {
  status: OperatorStatus;
  missed: string[];
}

const sockets = new ProjectSockets({ folder: 'control', process: 'worker', start: 'quorate join' });

/** Accepts requests such as pause from the user who runs the worker only. @throws CONTROL_UNAVAILABLE */
export function serveControl(
  home: string,
  project: string,
  operator: Operator,
): Promise<() => Promise<void>> {
  return serveControlSocket(sockets.path(home, project), (request) =>
    perform(operator, requestSchema.parse(request) as ControlRequest),
  );
}

async function perform(operator: Operator, request: ControlRequest): Promise<ControlAnswer> {
  let missed: string[] = [];
  if (request.do === 'limits') {
    const { do: _, ...changes } = request;
    missed = operator.limit(changes);
  } else if (request.do === 'allow') await operator.allow(request.host, request.withdraw);
  else if (request.do !== 'status') operator[request.do]();
  return { status: operator.status(), missed };
}

/** Sends a request to the worker that runs from this home. @throws `PROCESS_NOT_RUNNING`, `MEMBERSHIP_AMBIGUOUS`, `CONTROL_…`, `LIMITS_…`. */
export async function askWorker(
  home: string,
  project: string | undefined,
  request: ControlRequest,
): Promise<ControlAnswer> {
  return (await sockets.ask(home, project, request)) as ControlAnswer;
}

/** Answers of the workers that run from this home, with the end of their project's id. Silent ones are left out. */
export async function askWorkers(home: string): Promise<{ project: string; answer: ControlAnswer }[]> {
  const asked = (await sockets.names(home)).map(async (name) => {
    const project = name.slice(0, -'.sock'.length);
    const answer = await askWorker(home, project, { do: 'status' });
    return { project, answer };
  });
  return (await Promise.allSettled(asked)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

/** Whether a worker of this project answers here. */
export async function isWorkerRunning(home: string, project: string): Promise<boolean> {
  const socket = await connectControlSocket(sockets.path(home, project)).catch(() => undefined);
  socket?.destroy();
  return socket !== undefined;
}
