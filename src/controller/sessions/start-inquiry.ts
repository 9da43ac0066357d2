import { assert, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { counted } from '../../protocol/base/quantity.ts';
import type { Charter, Grant, Revocation, Verified } from '../../protocol/documents/index.ts';
import { requestBundle } from '../../protocol/sessions/bundle-exchange.ts';
import { sessionLimits } from '../../protocol/sessions/limits.ts';
import type { Clock, Tell } from '../../protocol/sessions/ports.ts';
import { pause } from '../../protocol/sessions/timing.ts';
import type { Checkpoint } from '../../protocol/transparency/index.ts';
import { trustedAmong } from '../../protocol/trust/revocations.ts';
import { isMember, memberRevoked, revocationsIn } from '../machine/members/revocations.ts';
import { perhapsSigned } from '../machine/rounds/trusted-slot.ts';
import type { ControllerState, EventOf } from '../machine/state.ts';
import { HeldLog, type HeldLogPorts } from './held-log.ts';

export type { SessionErrorCode } from '../../protocol/sessions/error-codes.ts';

export interface InquiryPorts extends HeldLogPorts {
  readonly clock: Clock;
  readonly tell: Tell;
  /** Goes on without answers. */
  readonly alone: boolean;
  /** The project's folder has no journal, so that nothing here says whether the project has members. */
  readonly journalLost: boolean;
  /** Puts a newer charter in force that a member showed after the start. */
  takeCharter(charter: Verified<Charter>): Promise<void>;
  /** The log of this controller is not what a member shows, after the start: nothing more may be signed. */
  stop(error: QuorateError): void;
}

export interface StartWait {
  /** Trusted workers of the charter that have not answered; the answer of one is enough. */
  trusted: string[];
  /** Further operators that are enough otherwise. */
  operators: number;
  /** Leaves of the journal, and of the largest checkpoint that a member showed. */
  leaves: number;
  shown: number;
}

/** Members that are asked at once besides trusted workers; more wait for their next hello. */
const askedAtOnceMax = 64;
/** The same of one operator, and of all that the journal does not know. */
const askedOfOneMax = 8;
/** Times that a trusted worker is asked for what it signed, where it gives no answer. */
const signedTriesMax = 3;

/**
 * Asks members, before anything is signed, what they hold under this controller's key: its journal may be an older copy. One event
 * gives it what it lacks. Later each member that connects is asked for its checkpoint. Their own word counts for nothing: see `HeldLog`.
 */
export class StartInquiry {
  readonly #ports: InquiryPorts;
  #isOpen = false;
  readonly #opened = Promise.withResolvers<void>();
  readonly #asks = Promise.withResolvers<'asks'>();
  #change = Promise.withResolvers<void>();
  /** Members that answered in this life. */
  readonly #answered = new Set<string>();
  readonly #asking = new Map<string, { done: Promise<void>; operator: string | undefined }>();
  readonly #held: HeldLog;
  /** Trusted workers that are about to be asked for what they signed. */
  readonly #signers = new Set<string>();
  /** Runs of which such a worker showed a bundle, each with its key. */
  readonly #signed = new Set<string>();
  /** Leaves came back in this life. */
  #hasRecovered = false;
  /** Takes documents that members show after the start. */
  take: (event: EventOf<'recovered'>) => Promise<void> = async () => {};
  /** Takes a bundle that a trusted worker holds of a run that it may have signed. */
  signed: (worker: string, run: string, bundle: string) => Promise<void> = async () => {};
  /** Takes a revocation that members know and the log does not have. */
  revoke: (revocation: Verified<Revocation>) => Promise<void> = async () => {};

  constructor(ports: InquiryPorts) {
    this.#ports = ports;
    this.#held = new HeldLog(ports);
  }

  /** True once this controller may sign. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Resolves then. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Resolves when it begins to wait for members. */
  get asks(): Promise<'asks'> {
    return this.#asks.promise;
  }

  /** The machine has started. */
  open(): void {
    this.#isOpen = true;
    this.#opened.resolve();
    this.#stopWhereBehind(this.#held);
    void this.#takeRevocations(this.#held);
    const { size } = this.#state.withheld;
    if (size > 0)
      this.#ports.tell(
        'warn',
        'withheld',
        `no member has shown ${counted(size, 'document')} that the log names, a revocation or the newest charter: until one does, nobody is a member again by the grant of before`,
      );
  }

  /** After the start there is nothing left to take: what a member shows has to fit. */
  #stopWhereBehind(held: HeldLog): void {
    const { stop } = this.#ports;
    const { size } = this.#state.log;
    if (!this.#isOpen) return;
    if (held.contradiction !== undefined) stop(held.contradiction);
    else if (held.size > size)
      stop(
        new QuorateError(
          'LOG_BEHIND_MEMBER',
          `a member holds a checkpoint of ${held.size} leaves under this key, and the journal has ${size}`,
          { hint: 'Start the controller again, without --alone: it takes what it lacks from its members.' },
        ),
      );
  }

  /** The newest charter that is known; undefined before `run`. */
  get charter(): Verified<Charter> | undefined {
    return this.#held.charter;
  }

  /** Whom it waits for; null where it does not. */
  get waits(): StartWait | null {
    if (this.#isOpen || this.#held.charter === undefined) return null;
    return {
      trusted: this.#trusted.filter((key) => !this.#answered.has(key)),
      operators: Math.max(0, this.#operatorsNeeded - this.#operators().size),
      leaves: this.#state.log.size,
      shown: this.#held.size,
    };
  }

  get #state(): ControllerState {
    return this.#ports.machine.state;
  }

  get #inForce(): Charter {
    const { charter } = this.#held;
    assert(charter !== undefined, 'members are asked under a charter');
    return charter.payload;
  }

  /** Operators of workers that the journal knows, or of those that answered. */
  #operators(of: Iterable<string> = this.#answered): Set<string> {
    const found = [...of].map((key) => this.#memberOf(key));
    return new Set(found.flatMap((one) => (one?.role === 'worker' ? [one.operator] : [])));
  }

  #memberOf(key: string) {
    const enrolled = this.#state.keys.get(key);
    if (!isMember(this.#state, enrolled)) return undefined;
    return memberRevoked(this.#state, { sub: key, ...enrolled }) === undefined ? enrolled : undefined;
  }

  /** Trusted workers of the charter whose keys are not revoked. */
  get #trusted(): string[] {
    const { trusted } = this.#inForce;
    return trustedAmong(trusted, this.#inForce, revocationsIn(this.#state), this.#state.log.size);
  }

  get #operatorsNeeded(): number {
    return Math.min(this.#inForce.floor.agree, this.#operators(this.#state.keys.keys()).size);
  }

  get #hasMembers(): boolean {
    const { keys } = this.#state;
    return this.#operators(keys.keys()).size > 0 || this.#trusted.some((key) => keys.has(key));
  }

  get #isAnswered(): boolean {
    if (this.#trusted.some((key) => this.#answered.has(key))) return true;
    const needed = this.#operatorsNeeded;
    return needed > 0 && this.#operators().size >= needed;
  }

  /**
   * Resolves with the event that gives the journal what it lacks, once enough members have answered. `kept`: the last signed checkpoint,
   * where the journal is behind it. @throws `LOG_BEHIND_CHECKPOINT`, `LOG_CONTRADICTED`, `CONTROLLER_STOPPED`.
   */
  async run(
    charter: Verified<Charter>,
    kept?: Pick<Checkpoint, 'size' | 'root'>,
  ): Promise<EventOf<'recovered'> | undefined> {
    this.#held.addCharter(charter);
    const { alone, journalLost, tell, clock } = this.#ports;
    if (kept !== undefined) this.#held.see(kept);
    const mayAsk =
      this.#hasMembers ||
      ((journalLost || this.#state.recovered || kept !== undefined) && this.#trusted.length > 0);
    if (alone || !mayAsk) {
      if (kept !== undefined) throw behindCheckpoint(this.#state.log.size, kept.size);
      if (alone && mayAsk)
        tell(
          'warn',
          'alone',
          'goes on without asking its members: where this journal is an older copy, the log tells two stories and this key is void',
        );
      return undefined;
    }
    this.#tellWaits('asks the members of the project what its log was');
    this.#asks.resolve('asks');
    for (let told = -1; ; ) {
      while (!this.#isAnswered && this.#held.contradiction === undefined && !clock.closing)
        await this.#changed();
      await this.#allAnswered(sessionLimits.startGraceMs);
      // Where something is missing, a member that is not asked may hold more, under which the key would be void.
      if (journalLost || this.#held.isAhead) await this.#allAnswered(sessionLimits.startAnswerMs);
      await Promise.all([...this.#asking.values()].map(({ done }) => done));
      if (clock.closing) throw new QuorateError('CONTROLLER_STOPPED', 'the controller is stopping');
      this.#held.throwContradiction();
      const { size, facts } = this.#held;
      const missing = await this.#held.missing(this.#trusted.filter((key) => this.#answered.has(key)));
      // Another member may have told of more meanwhile.
      if (facts !== this.#held.facts) continue;
      if (missing !== undefined) return this.#recovered(missing);
      if (told < size)
        this.#tellWaits(
          `a member holds a checkpoint of ${size} leaves under this key, the journal has ${this.#state.log.size}, and nobody who is there kept the others`,
        );
      told = Math.max(told, size);
      await this.#changed();
    }
  }

  /** A member has connected, and shows its grant, which may have run out. */
  hello(peer: string, grant: Verified<Grant>): void {
    if (this.#isOpen && this.#trusted.includes(peer)) void this.#askSigned(peer);
    if (this.#answered.has(peer) || this.#asking.has(peer) || this.#held.charter === undefined) return;
    const { payload, signer } = grant;
    const { project, idps } = this.#inForce;
    const isTrusted = this.#trusted.includes(peer);
    const operator = this.#memberOf(peer)?.operator;
    const isKnown = isTrusted || operator !== undefined;
    if (payload.project !== project || !(isKnown || idps.includes(signer))) return;
    if (!isTrusted && !this.#hasRoom(operator)) return;
    const { clock, tell } = this.#ports;
    const timeout = Promise.withResolvers<never>();
    const late = () => timeout.reject(new Error('it did not answer in time'));
    const cancel = clock.after(sessionLimits.startAnswerMs, late);
    const held = this.#isOpen ? new HeldLog(this.#ports) : this.#held;
    const asked = this.#isOpen ? this.#askLater(held, peer, isKnown) : held.ask(peer, isKnown);
    const done = Promise.race([asked, timeout.promise])
      .then(() => {
        this.#answered.add(peer);
        if (held === this.#held) this.#stopWhereBehind(held);
      })
      .catch((error) => {
        if (this.#isOpen || clock.closing) return;
        const says = `${payload.operator} was asked for the log, and gave no answer: ${messageOf(error)}`;
        tell('info', 'asking', says, { worker: peer });
      })
      .finally(() => {
        cancel();
        this.#asking.delete(peer);
        this.#wake();
      });
    this.#asking.set(peer, { done, operator });
  }

  /** Silent hosts of one operator, or of a stolen identity provider's key, leave places to others. */
  #hasRoom(operator: string | undefined): boolean {
    const trusted = this.#trusted;
    const asked = [...this.#asking.keys()].filter((key) => !trusted.includes(key));
    const same = asked.filter((key) => this.#asking.get(key)?.operator === operator);
    return asked.length < askedAtOnceMax && same.length < askedOfOneMax;
  }

  #wake(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  async #changed(): Promise<void> {
    const { clock } = this.#ports;
    const forget = clock.onClosing(() => this.#wake());
    await this.#change.promise;
    forget();
  }

  /** Resolves once each member that the journal knows has answered, after `ms` at the latest. */
  async #allAnswered(ms: number): Promise<void> {
    const { clock } = this.#ports;
    const isAwaited = (key: string): boolean =>
      this.#memberOf(key)?.role === 'worker' || this.#trusted.includes(key);
    const awaited = [...this.#state.keys.keys()].filter(isAwaited);
    let isOver = false;
    const cancel = clock.after(ms, () => {
      isOver = true;
      this.#wake();
    });
    while (!clock.closing && !isOver) {
      if (awaited.length > 0 && awaited.every((key) => this.#answered.has(key))) break;
      await this.#changed();
    }
    cancel();
  }

  /** Documents that nobody who was there at the start had are taken from those who come later; a newer charter in each life. */
  async #askLater(held: HeldLog, peer: string, isKnown: boolean): Promise<void> {
    await held.askCheckpoint(peer);
    this.#stopWhereBehind(held);
    if (isKnown && (this.#hasRecovered || this.#state.withheld.size > 0)) {
      await held.askDocuments(peer);
      await this.#takeRevocations(held);
    } else await held.askCharter(peer);
    const { charter } = held;
    if (charter === undefined || charter === this.#state.charter) return;
    await this.#ports.takeCharter(charter).catch((error: unknown) => {
      this.#ports.tell(
        'warn',
        'charter',
        `a newer charter that a member shows is not taken: ${messageOf(error)}`,
      );
    });
  }

  /**
   * A co-signature has no leaf: one that the journal does not have is in the bundle that its trusted worker keeps. One that comes back
   * with its lease has the time to resume it before.
   */
  async #askSigned(peer: string): Promise<void> {
    const { clock } = this.#ports;
    if (this.#signers.has(peer)) return;
    this.#signers.add(peer);
    for (let tried = 0, isDone = false; tried < signedTriesMax && !isDone; tried++) {
      await pause(clock, sessionLimits.signedAskedMs);
      isDone = clock.closing || (await this.#takeSigned(peer));
    }
    this.#signers.delete(peer);
  }

  /** Whether a trusted worker answered for all runs that it may have signed. */
  async #takeSigned(peer: string): Promise<boolean> {
    const { clock, dial, tell } = this.#ports;
    try {
      for (const run of perhapsSigned(this.#state, peer)) {
        if (clock.closing) return false;
        const one = `${run} ${peer}`;
        if (this.#signed.has(one)) continue;
        const bundle = await requestBundle(dial, { id: peer, addrs: [] }, run);
        if (bundle === undefined || clock.closing) continue;
        this.#signed.add(one);
        await this.signed(peer, run, bundle);
      }
      return true;
    } catch (error) {
      if (clock.closing) return false;
      const says = `a trusted worker was asked for what it signed, and gave no answer: ${messageOf(error)}`;
      tell('info', 'asking', says, { worker: peer });
      return false;
    }
  }

  async #takeRevocations(held: HeldLog): Promise<void> {
    const { withheld, unlogged } = held;
    if (withheld !== undefined) await this.take(withheld);
    for (const revocation of unlogged) await this.revoke(revocation);
  }

  #recovered(missing: string[]): EventOf<'recovered'> | undefined {
    const event = this.#held.event(missing);
    const leaves = missing.length;
    this.#hasRecovered = event !== undefined;
    const says = `the journal was an older copy: ${leaves} leaves came back from members`;
    if (event !== undefined) this.#ports.tell('warn', 'recovered', says, { from: event.from, leaves });
    return event;
  }

  #tellWaits(says: string): void {
    const wait = this.waits;
    if (wait !== null) this.#ports.tell('info', 'asking', `${says}; waits for ${sayWait(wait)}`, { ...wait });
  }
}

/** For whom a start waits, as a noun phrase. */
export function sayWait({ trusted, operators, leaves, shown }: StartWait): string {
  if (shown > leaves) return `a trusted worker that kept the leaves ${leaves} to ${shown - 1}`;
  const some = trusted.length === 0 ? [] : [`a trusted worker (${trusted.join(', ')})`];
  return [...some, ...(operators > 0 ? [counted(operators, 'operator')] : [])].join(', or ') || 'its members';
}

/** Answer to who asks a controller for something before it has started. */
export function askingError({ waits }: Pick<StartInquiry, 'waits'>): QuorateError {
  const whom = waits === null ? 'its members' : sayWait(waits);
  return new QuorateError(
    'CONTROLLER_ASKING',
    `the controller has just started, and signs nothing before its members have told what its log was; it waits for ${whom}`,
    { hint: 'Try again once they are connected. Where none will be, its owner starts it with --alone.' },
  );
}

/** The journal ends before the checkpoint that was signed last, and nobody is asked for the rest. */
export const behindCheckpoint = (leaves: number, signed: number): QuorateError =>
  new QuorateError(
    'LOG_BEHIND_CHECKPOINT',
    `the journal gives a log of ${leaves} entries, which is not the one whose first ${signed} were signed`,
    {
      hint: 'The journal is an older copy, or another one. Put back the one that belongs here: a log that goes on from an older state tells two stories, and workers keep the proof.',
    },
  );
