import { serveControlSocket } from '../../node/control-socket.ts';
import type { Tell } from '../../node/node-events.ts';
import {
  askRunning,
  type ControllerRequest,
  type ControlWait,
  type RevokedAnswer,
  requestSchema,
  socketOf,
} from '../../owner/controller-socket.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import { counted } from '../../protocol/base/quantity.ts';
import type { RevocationTarget } from '../../protocol/documents/index.ts';
import { everyLeaf, revocationAt } from '../../protocol/trust/revocations.ts';
import type { ControllerEvent } from '../machine/events.ts';
import { revocationsIn } from '../machine/members/revocations.ts';
import { type MemberFacts, membersPage } from '../machine/queries/members.ts';
import { awaitedLeases } from '../machine/rounds/leases.ts';
import type { ControllerState } from '../machine/state.ts';
import type { StartWait } from '../sessions/start-inquiry.ts';
import { controllerNodeLimits } from './limits.ts';
import { type ControllerStatus, statusOf } from './status.ts';

type MembersPage = ReturnType<typeof membersPage>;
type AnswerTo<Request extends ControllerRequest> = Request extends { do: 'members' }
  ? MembersPage
  : Request extends { do: 'revoked' }
    ? RevokedAnswer
    : ControllerStatus;

interface ControlOptions {
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
      this.#closeSocket = await serveControlSocket(socketOf(dir), (request) => this.#answer(request));
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
      return membersPage(this.#options.state, controllerNodeLimits.membersPerAnswer, request.after);
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
    const found = revocationAt(revocationsIn(state), what, everyLeaf);
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

/** As `askRunning`, with the type of its answer. */
export const askController = <Request extends ControllerRequest>(
  dir: string,
  request: Request,
  wait?: ControlWait,
): Promise<AnswerTo<Request>> => askRunning(dir, request, wait);

/** All members, asked for in parts. @throws as above. */
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
