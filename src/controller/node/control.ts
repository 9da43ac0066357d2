import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { awaitedLeases } from '../machine/drain.ts';
import type { ControllerEvent } from '../machine/events.ts';
import { type MemberFacts, membersOf } from '../machine/members.ts';
import { revocationsIn } from '../machine/revocations.ts';
import type { ControllerState } from '../machine/state.ts';
import { type RevocationTarget, revocationSchema } from '../../protocol/documents/index.ts';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { counted } from '../../protocol/base/quantity.ts';
import type { StartWait } from '../sessions/start-inquiry.ts';
import { revocationAt } from '../../protocol/trust/revocations.ts';
import { isInUse } from '../../journal/copy.ts';
import { askControlSocket, serveControlSocket } from '../../node/control-socket.ts';
import type { Tell } from '../../node/node-events.ts';
import { journalFile } from './controller-journal.ts';
import { controllerNodeLimits } from './limits.ts';
import { type ControllerStatus, statusOf } from './status.ts';

const requestSchema = z.discriminatedUnion('do', [
  /** `without`: an operator that is not counted, as if it were revoked. */
  z.object({ do: z.literal('status'), without: z.string().max(100).optional() }),
  z.object({ do: z.literal('revoked'), what: revocationSchema.shape.what }),
  z.object({ do: z.literal('members'), after: z.string().max(100).optional() }),
  z.object({
    do: z.literal('drain'),
    limitMs: z.int().min(0).max(controllerNodeLimits.drainMsMax),
  }),
]);
export type ControllerRequest = z.infer<typeof requestSchema>;
type MembersPage = ReturnType<typeof membersOf>;
/** The revocation of this that reaches furthest back; `index`: of its leaf. */
export interface RevokedAnswer {
  revoked: { since: number; reason: string; index: number; byRoot: boolean } | null;
}
type AnswerTo<Request extends ControllerRequest> = Request extends { do: 'members' }
  ? MembersPage
  : Request extends { do: 'revoked' }
    ? RevokedAnswer
    : ControllerStatus;

const socketOf = (dir: string): string => join(dir, 'control', 'controller.sock');

export interface ControlOptions {
  /** Of the project: `<repo>/.quorate`. */
  dir: string;
  project: string;
  state: ControllerState;
  dispatch(event: ControllerEvent): Promise<void>;
  tell: Tell;
  /** For whom its start waits; null once it has started. */
  asking?(): StartWait | null;
  connections?(): ControllerStatus['connections'];
  /** Ends the node: it is drained. */
  stop(): void;
}

/** Requests of the owner to a running controller: its status, and to end once its leases have. */
export class ControllerControl {
  readonly #options: ControlOptions;
  #stopsBy: number | null = null;
  #timer: NodeJS.Timeout | undefined;
  #closeSocket: () => Promise<void> = async () => {};

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /** Serves a socket in the project's folder. Where it cannot, the controller goes on without, and says so. */
  async open(): Promise<void> {
    const { dir, tell } = this.#options;
    try {
      const invalid = (message: string) => new QuorateError('CONTROL_REQUEST_INVALID', message);
      this.#closeSocket = await serveControlSocket(socketOf(dir), invalid, (request) =>
        this.#answer(request),
      );
    } catch (error) {
      tell('warn', 'control', `quorate controller status and drain do not reach it: ${messageOf(error)}`);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#closeSocket();
  }

  async #answer(given: unknown): Promise<ControllerStatus | MembersPage | RevokedAnswer> {
    const request = requestSchema.parse(given);
    if (request.do === 'revoked') return { revoked: this.#revoked(request.what) };
    if (request.do === 'members')
      return membersOf(this.#options.state, controllerNodeLimits.membersPerAnswer, request.after);
    if (request.do === 'drain') await this.#drain(request.limitMs);
    const { state, project } = this.#options;
    const without = request.do === 'status' ? request.without : undefined;
    const asking = this.#options.asking?.();
    const connections = this.#options.connections?.() ?? null;
    const stopsBy = this.#stopsBy;
    return statusOf(state, { project, running: true, stopsBy, without, asking, connections });
  }

  #revoked(what: RevocationTarget): RevokedAnswer['revoked'] {
    const { state } = this.#options;
    const found = revocationAt(revocationsIn(state), what, Number.MAX_SAFE_INTEGER);
    const leaf = state.revocations.find(({ revocation: { payload } }) => {
      return payload.what.kind === what.kind && payload.what.id === what.id && payload.since === found?.since;
    });
    if (found === undefined || leaf === undefined) return null;
    const { since, reason, byRoot } = found;
    return { since, reason, byRoot, index: leaf.index };
  }

  /** Begins no round any more, waits for the builds that run, and stops; after `limitMs` whatever still runs. */
  async #drain(limitMs: number): Promise<void> {
    const { state, dispatch, tell, stop } = this.#options;
    await dispatch({ kind: 'drain' });
    this.#stopsBy = Date.now() + limitMs;
    const limit = AbortSignal.timeout(limitMs);
    tell(
      'info',
      'drain',
      `draining: begins no round, and waits for ${counted(awaitedLeases(state).length, 'lease')}`,
    );
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      const left = awaitedLeases(state).length;
      if (left > 0 && !limit.aborted) return;
      clearInterval(this.#timer);
      if (left > 0)
        tell('warn', 'drain', `stops with ${counted(left, 'lease')} left: they go on after the next start`);
      else tell('info', 'drain', 'drained');
      stop();
    }, controllerNodeLimits.drainLookMs);
  }
}

export interface ControlWait {
  signal?: AbortSignal | undefined;
  waitMs?: number;
}

/**
 * Asks the controller that runs from this project folder. One that has its journal open and does not answer is starting, ending or
 * going on under other keys: it is asked again for `waitMs`.
 * Errors: `CONTROLLER_NOT_RUNNING`, `CONTROLLER_STARTING`, `CONTROL_LOST`, `CONTROL_REQUEST_INVALID`.
 */
export async function askController<Request extends ControllerRequest>(
  dir: string,
  request: Request,
  { signal, waitMs = controllerNodeLimits.controlWaitMs }: ControlWait = {},
): Promise<AnswerTo<Request>> {
  const limit = AbortSignal.timeout(waitMs);
  for (;;) {
    try {
      return await askOnce(dir, request);
    } catch (error) {
      if (codeOf(error) !== 'CONTROLLER_NOT_RUNNING' || !isInUse(journalFile(dir))) throw error;
      if (limit.aborted)
        throw new QuorateError(
          'CONTROLLER_STARTING',
          'a controller has its journal open and does not answer yet: it starts or ends',
          { hint: 'Ask again in a minute. Its own messages say what it does.', cause: error },
        );
    }
    await sleep(controllerNodeLimits.controlAgainMs, undefined, { signal });
  }
}

async function askOnce<Request extends ControllerRequest>(
  dir: string,
  request: Request,
): Promise<AnswerTo<Request>> {
  const answer = await askControlSocket(socketOf(dir), request, {
    absent: (path, cause) =>
      new QuorateError('CONTROLLER_NOT_RUNNING', `no controller answers at ${path}`, {
        hint: 'Start it: quorate controller. One of another account is asked by that account.',
        cause,
      }),
    lost: (cause) =>
      new QuorateError('CONTROL_LOST', `the controller did not answer: ${messageOf(cause)}`, {
        hint: 'It may be ending or be busy; ask again.',
        cause,
      }),
  });
  return answer as AnswerTo<Request>;
}

/** All members, asked for in parts. Errors: as above. */
export async function askForMembers(dir: string, wait?: ControlWait): Promise<MemberFacts[]> {
  const all: MemberFacts[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const request = { do: 'members', ...(after !== undefined && { after }) } as const;
    const { members, next } = await askController(dir, request, wait);
    all.push(...members);
    after = next;
  }
  return all;
}
