import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { type Charter, type Signer, signMessage, type Verified } from '../../protocol/documents/index.ts';
import { checkGrant, enforce, openCharterOf } from '../../protocol/judge/index.ts';
import { sessionLimits, sessionTimes } from '../../protocol/sessions/limits.ts';
import { errorFrom, MessageStream } from '../../protocol/sessions/message-stream.ts';
import type { Clock, Dial, DialTarget, Documents, Tell } from '../../protocol/sessions/ports.ts';
import { every } from '../../protocol/sessions/timing.ts';
import { wireLimits } from '../../protocol/wire/limits.ts';
import { type IdpDown, type IdpUp, idpDownSchema } from '../../protocol/wire/messages.ts';
import { protocols } from '../../protocol/wire/protocols.ts';
import type { ControllerPorts, GrantAsked, Grants } from './ports.ts';

/** Signs with the identity provider's key, which is at hand. */
export function localGrants(idp: Signer): Grants {
  return { sign: ({ grant }) => signMessage('grant', grant, idp) };
}

/** Everything outside of a client of the identity provider. */
interface IdpClientPorts {
  readonly project: string;
  /** Where it is, with a key at the end of each or without. */
  readonly idpAddrs: readonly string[];
  readonly dial: Dial;
  readonly documents: Documents;
  readonly clock: Clock;
  /** The charter in force. @throws `CONTROLLER_NOT_STARTED`. */
  charter(): Verified<Charter>;
  /** Keeps a charter of a higher epoch, and puts it in force. @throws `HOME_…`. */
  takeCharter(charter: Verified<Charter>): Promise<void>;
  /** Of this controller, for the tickets of the identity provider. */
  addresses(): readonly string[];
  tell: Tell;
}

const mayHaveOtherCharter: ReadonlySet<string> = new Set(['IDP_CHARTER_DIFFERS', 'IDP_CONTROLLER_UNKNOWN']);

/** Has the identity provider's process sign grants, each within `grantMs`, with bounded queues. Both sides exchange their charters. */
export class IdpClient implements Grants {
  readonly #ports: IdpClientPorts;
  readonly #queue: (() => void)[] = [];
  #asking = 0;
  #learning = false;
  /** Monotonic time before which nothing is asked. */
  #restsUntil = Number.NEGATIVE_INFINITY;
  /** Whether it answered when it was last asked; undefined before. */
  #reachable: boolean | undefined;

  constructor(ports: IdpClientPorts) {
    this.#ports = ports;
  }

  /** Tells it the charter and where this controller is, now and then, until the node shuts down. */
  start(): void {
    const exchange = () => void this.exchange().catch(() => {});
    exchange();
    every(this.#ports.clock, sessionTimes.charterExchangeMs, exchange);
  }

  /** @throws `IDP_BUSY`, `IDP_UNREACHABLE`, `IDP_CHARTER_DIFFERS`, `IDP_ANSWER_MISMATCH`, and those with which it refuses. */
  async sign(asked: GrantAsked): Promise<Verified<GrantAsked['grant']>> {
    const { clock } = this.#ports;
    const until = clock.monotonic() + sessionTimes.grantMs;
    await this.#turn();
    try {
      if (clock.monotonic() >= until) throw busy();
      return await this.#grant(asked);
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#asking--;
      else next();
    }
  }

  /** One of `idpQuestionsMax` turns, once it is there. @throws `IDP_BUSY`. */
  async #turn(): Promise<void> {
    if (this.#asking < sessionLimits.idpQuestionsMax) return void this.#asking++;
    if (this.#queue.length >= sessionLimits.idpWaitingMax) throw busy();
    // Hands its turn on once done.
    await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  async #grant(asked: GrantAsked): Promise<Verified<GrantAsked['grant']>> {
    const { clock, documents } = this.#ports;
    const { grant: wanted, enrol, invite, possession, at: joinedAt } = asked;
    const question = (): IdpUp => ({
      kind: 'grant',
      enrol: enrol.raw,
      enrolled: wanted.enrolled,
      epoch: this.#ports.charter().payload.epoch,
      invite: invite?.raw,
      at: joinedAt,
      possession: possession?.raw,
    });
    const isResting = clock.monotonic() < this.#restsUntil;
    let answer = await this.#ask(question()).catch(async (error: unknown) => {
      // Under another key it answers a question about the charter, and no other.
      if (isResting || !(await this.#learn())) throw error;
      return this.#ask(question());
    });
    if (answer.kind === 'error' && mayHaveOtherCharter.has(answer.code)) {
      await this.exchange();
      answer = await this.#ask(question());
    }
    if (answer.kind === 'error') {
      // About connections to the identity provider: members would take it for theirs to this controller, and wait for that.
      if (answer.code.startsWith('MESH_')) throw busy();
      throw errorFrom(answer);
    }
    if (answer.kind !== 'grant') throw mismatch(`answered with ${answer.kind}`);
    const grant = await documents.message('grant', answer.grant);
    const { sub, role, operator, enrolled, jti } = grant.payload;
    const at = Math.floor(clock.now() / 1000);
    checkGrant(enforce, grant, this.#ports.charter().payload, { by: wanted.sub, as: wanted.role, at });
    if (operator !== wanted.operator || enrolled !== wanted.enrolled || jti !== wanted.jti)
      throw mismatch(`gave ${sub} a grant as ${operator} (${role}), enrolled at ${enrolled}`);
    return grant;
  }

  /** Tells it the charter in force and the addresses, and takes its charter where that is newer. @throws `IDP_UNREACHABLE`, `CHARTER_…`. */
  async exchange(): Promise<void> {
    const { project, documents, addresses, takeCharter } = this.#ports;
    const { raw, payload } = this.#ports.charter();
    const addrs = addresses().slice(0, wireLimits.controllerAddrsMax);
    const answer = await this.#ask({ kind: 'charter', charter: raw, addrs });
    if (answer.kind === 'error') throw errorFrom(answer);
    if (answer.kind !== 'charter') throw mismatch(`answered with ${answer.kind}`);
    if (answer.charter === raw) return;
    const charter = await openCharterOf(answer.charter, project, documents.verifier);
    if (charter.payload.epoch > payload.epoch) await takeCharter(charter);
  }

  /** Whether its charter is newer than ours; one question at a time. */
  async #learn(): Promise<boolean> {
    if (this.#learning) return false;
    this.#learning = true;
    const { epoch } = this.#ports.charter().payload;
    await this.exchange().catch(() => {});
    this.#learning = false;
    return this.#ports.charter().payload.epoch > epoch;
  }

  /** Asks at each place in turn, until one answers. @throws `IDP_UNREACHABLE`. */
  async #ask(question: IdpUp): Promise<IdpDown> {
    const { clock } = this.#ports;
    let last: unknown;
    if (question.kind === 'charter' || clock.monotonic() >= this.#restsUntil) {
      for (const target of this.#targets(question)) {
        try {
          const answer = await this.#askAt(target, question);
          this.#restsUntil = Number.NEGATIVE_INFINITY;
          this.#told(true);
          return answer;
        } catch (error) {
          last = error;
        }
      }
      this.#restsUntil = clock.monotonic() + sessionTimes.idpRestMs;
      this.#told(false, last);
    }
    throw new QuorateError('IDP_UNREACHABLE', 'the identity provider of the project does not answer', {
      cause: last,
      hint: 'Nobody can join or renew a grant until it does; grants that were given last up to a day. Its owner looks at: quorate idp',
    });
  }

  /** The keys that the charter names; a question about the charter goes to whoever is there, whose key may be another by now. */
  #targets(question: IdpUp): DialTarget[] {
    const addrs = this.#ports.idpAddrs.map((addr) => addr.replace(/\/p2p\/[^/]+$/, ''));
    const named = this.#ports.charter().payload.idps.map((id) => ({
      id,
      addrs: addrs.map((addr) => `${addr}/p2p/${id}`),
    }));
    return question.kind === 'charter' ? [...named, { id: null, addrs }] : named;
  }

  async #askAt(target: DialTarget, question: IdpUp): Promise<IdpDown> {
    const bounds = { timeoutMs: sessionTimes.grantOpenMs, maxMessageBytes: limits.documentBytesMax };
    const channel = await this.#ports.dial(target, protocols.idp, bounds);
    const what = 'an answer of the identity provider';
    const stream = new MessageStream<IdpUp, IdpDown>(channel, idpDownSchema, what);
    try {
      await stream.send(question);
      const answer = await stream.receive({ timeoutMs: sessionTimes.grantAnswerMs });
      if (answer === undefined) throw new QuorateError('IDP_UNREACHABLE', 'it closed the stream');
      return answer;
    } finally {
      await stream.close();
    }
  }

  #told(reachable: boolean, why?: unknown): void {
    const { clock, tell } = this.#ports;
    const before = this.#reachable;
    this.#reachable = reachable;
    if (clock.closing || before === reachable) return;
    const says = `the identity provider does not answer: nobody can join or renew a grant (${messageOf(why)})`;
    if (reachable) tell('info', 'idp', 'the identity provider answers', { reachable });
    else tell('warn', 'idp', says, { reachable });
  }
}

function busy(): QuorateError {
  return new QuorateError('IDP_BUSY', 'too many members ask the identity provider for grants', {
    hint: 'Try again in a moment.',
  });
}

function mismatch(says: string): QuorateError {
  return new QuorateError('IDP_ANSWER_MISMATCH', `the identity provider ${says}`);
}

/** Tells the owner of a member that is refused because its grant has ended: it should have been renewed long before. */
export function warnOfExpired(
  { machine, tell }: Pick<ControllerPorts, 'machine' | 'tell'>,
  peer: string,
  code: string,
): void {
  const member = machine.state.keys.get(peer);
  if (code !== 'DOC_EXPIRED' || member === undefined) return;
  tell('warn', 'grant', `${member.operator} was refused: its grant has ended, and it should renew it`, {
    worker: peer,
    operator: member.operator,
  });
}
