import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import { sessionLimits, sessionTimes } from '../../protocol/sessions/limits.ts';
import { every } from '../../protocol/sessions/timing.ts';
import {
  type Checkpoint,
  formatCheckpoint,
  openCheckpointOf,
  openWitnessLine,
  signatureLines,
  signCheckpoint,
  withoutWitnesses,
} from '../../protocol/transparency/index.ts';
import {
  type CheckpointRound,
  hasAnswered,
  type MemberLine,
  makeRoom,
  type WitnessedCheckpoint,
  witnessedCheckpoint,
} from './checkpoint-round.ts';
import type { ControllerPorts, ExternalWitness } from './ports.ts';
import { askingError, behindCheckpoint } from './start-inquiry.ts';

/** Difference between the time in a line and the clock of this host. */
const timeSecondsMax = limits.clockSkewSeconds + sessionTimes.roundMsMax / 1000;

interface RoundsUse {
  /** Whether a verdict waits for witnesses, so that a round begins at once. */
  isUrgent(): boolean;
  /** The round has got a line and goes on. */
  grown(checkpoint: WitnessedCheckpoint): void;
  /** The round has ended, or has got further lines after that. */
  ended(checkpoint: WitnessedCheckpoint): void;
}

interface RoundsFeed {
  /** Keys of the workers that are there. */
  readonly present: Iterable<string>;
  /** Sends a checkpoint to some of them. */
  checkpoint(checkpoint: { note: string; size: number }, to: Iterable<string>): void;
}

/**
 * Puts one checkpoint at a time before the witnesses: all that are there while a verdict waits, else a few in turn, so that a round
 * costs the same for any number. It ends when those it waits for have answered, or after `roundMsMax`; later lines count until the next.
 */
export class CheckpointRounds {
  readonly #ports: ControllerPorts;
  #feed: RoundsFeed = { present: [], checkpoint() {} };
  #use: RoundsUse = { isUrgent: () => false, grown() {}, ended() {} };
  #round: CheckpointRound | undefined;
  #beginning = false;
  /** Workers that were asked in turn so far. */
  #turn = 0;
  /** Monotonic time. */
  #beganAt = Number.NEGATIVE_INFINITY;
  /** The current checkpoint is to be put before the witnesses again. */
  #renewing = false;
  #ended: (() => void)[] = [];
  #cancel: () => void = () => {};
  #urgent: () => void = () => {};
  /** Witnesses from outside whose failure was told: how often they failed since they last signed, and when they are asked again. */
  readonly #failing = new Map<string, { tries: number; again: number; cancel: () => void }>();
  readonly #saveInTurn = oneByOne();
  /** Size of the checkpoint in the file, under the present key. */
  #kept = 0;

  constructor(ports: ControllerPorts) {
    this.#ports = ports;
  }

  /** The current checkpoint; undefined before the first one. */
  get current(): WitnessedCheckpoint | undefined {
    return this.#round === undefined ? undefined : witnessedCheckpoint(this.#round);
  }

  /** Takes up the last checkpoint; returns it where the journal is behind it. @throws `LOG_BEHIND_CHECKPOINT`, `CHECKPOINT_…`, those of the file. */
  async load(): Promise<Pick<Checkpoint, 'size' | 'root'> | undefined> {
    const { checkpointFile, machine, project, signing, retired } = this.#ports;
    const note = await checkpointFile.load();
    if (note === undefined) return undefined;
    const { log, keys } = machine.state;
    const openOf = (log: string) => openCheckpointOf(note, { project, log }, signing.documents.verifier);
    let opened = await openOf(signing.signer.id);
    const isOurs = opened !== undefined;
    for (const { id } of retired) opened ??= await openOf(id);
    if (opened === undefined) return undefined;
    const { size, root, witnesses } = opened;
    if (isOurs && size > log.size) return { size, root };
    const goesOn = size <= log.size && log.root(size) === root;
    // The way out where the journal is lost: under a key of its own no log contradicts another.
    if (!goesOn && !isOurs) {
      this.#warn(
        `the log of ${log.size} entries does not go on from the ${size} that the key before signed; it begins anew under this one`,
      );
      return undefined;
    }
    if (!goesOn) throw behindCheckpoint(log.size, size);
    // The same log goes on under another key: its next checkpoint is the first one of that key.
    if (!isOurs) return undefined;
    this.#kept = size;
    const base = withoutWitnesses(note);
    const members: MemberLine[] = [];
    const outside = new Map<string, string>();
    for (const { name, line } of signatureLines(note)) {
      if (base.endsWith(line)) continue;
      const granted = keys.get(name);
      const found = witnesses.find(({ witness }) => witness === name);
      if (found === undefined || granted === undefined) outside.set(name, line);
      else
        members.push({
          ...found,
          operator: granted.operator,
          isTrusted: granted.role === 'trusted-worker',
          line,
          grant: undefined,
        });
    }
    const answered = new Set(members.map(({ witness }) => witness));
    const waits = { waitsFor: undefined, asked: new Set<string>() };
    this.#round = { size, root, base, members, outside, answered, ...waits, open: false };
    return undefined;
  }

  start(feed: RoundsFeed, use: RoundsUse): void {
    this.#feed = feed;
    this.#use = use;
    every(this.#ports.clock, sessionTimes.roundMsMin, () => this.look());
    this.look();
  }

  /** Begins a round when one is due. */
  look(): void {
    const { clock, machine } = this.#ports;
    const { size } = machine.state.log;
    if (!this.#ports.inquiry.isOpen || this.#beginning || this.#round?.open === true || clock.closing) return;
    const isUrgent = this.#use.isUrgent();
    // A verdict may wait for more lines than those of the few that were asked.
    const isPut = size === (this.#round?.size ?? 0) && !(isUrgent && this.#round?.waitsFor !== undefined);
    if (isPut && !this.#renewing) return;
    const wait =
      this.#beganAt + (isUrgent ? sessionTimes.urgentRoundMs : sessionTimes.roundMsMin) - clock.monotonic();
    if (wait > 0) {
      if (isUrgent) this.#lookIn(wait);
      return;
    }
    this.#beginning = true;
    this.#renewing = false;
    this.#beganAt = clock.monotonic();
    this.#begin()
      .catch((error) => this.#warn(`no checkpoint was made: ${messageOf(error)}`))
      .finally(() => {
        this.#beginning = false;
      });
  }

  /** The current checkpoint after one more round, for lines of the last minute. Undefined before the first one. */
  async renewed(): Promise<WitnessedCheckpoint | undefined> {
    const { clock } = this.#ports;
    const isOpen = () => this.#beginning || this.#round?.open === true;
    if (!isOpen() && clock.monotonic() >= this.#beganAt + sessionTimes.renewMs) {
      this.#renewing = true;
      this.look();
    }
    if (isOpen())
      await new Promise<void>((resolve) => {
        this.#ended.push(resolve, clock.after(sessionTimes.roundMsMax, resolve));
      });
    return this.current;
  }

  #lookIn(ms: number): void {
    this.#urgent();
    this.#urgent = this.#ports.clock.after(ms, () => this.look());
  }

  async #begin(): Promise<void> {
    const { clock, machine, externalWitnesses } = this.#ports;
    const { size } = machine.state.log;
    const base = await this.at(size);
    this.#cancel();
    const outside = externalWitnesses();
    for (const [name, { cancel }] of this.#failing) {
      if (outside.some((one) => one.name === name)) continue;
      cancel();
      this.#failing.delete(name);
    }
    // One that failed is not waited for.
    const asked = new Set(outside.flatMap(({ name }) => (this.#failing.has(name) ? [] : [name])));
    const root = machine.state.log.root(size);
    // Put before them once more, it keeps the lines of those who are away by now.
    const before = this.#round?.size === size ? this.#round : undefined;
    const named = [...(before?.outside ?? [])].filter(([name]) => outside.some((one) => one.name === name));
    const members = [...(before?.members ?? [])];
    const lines = { members, outside: new Map(named), answered: new Set<string>() };
    const waitsFor = this.#use.isUrgent() ? undefined : this.#some();
    const round: CheckpointRound = { size, root, base, ...lines, waitsFor, asked, open: true };
    this.#round = round;
    this.#cancel = clock.after(sessionTimes.roundMsMax, () => this.#end(round));
    this.#feed.checkpoint({ note: base, size }, waitsFor ?? this.#feed.present);
    for (const witness of outside) void this.#askOutside(round, witness);
    this.settle();
  }

  /** Trusted workers, and the next few of the others that are present; undefined where there are no more. */
  #some(): Set<string> | undefined {
    const present = [...this.#feed.present];
    const { witnessesAsked } = sessionLimits;
    if (present.length <= witnessesAsked) return undefined;
    const { workers } = this.#ports.machine.state.presence;
    const trusted = present.filter((key) => workers.get(key)?.role === 'trusted-worker');
    const from = this.#turn % present.length;
    this.#turn += witnessesAsked;
    const others = [...present.slice(from), ...present.slice(0, from)].slice(0, witnessesAsked);
    return new Set([...trusted, ...others]);
  }

  /**
   * The signed checkpoint of the first `size` leaves, kept before anybody sees it. None while the process ends: the next life may
   * not know those leaves. @throws `LOG_OUT_OF_RANGE`, `CONTROLLER_STOPPED`, those of the file.
   */
  async at(size: number): Promise<string> {
    const { clock, machine, project, signing, inquiry } = this.#ports;
    if (clock.closing) throw new QuorateError('CONTROLLER_STOPPED', 'the controller is stopping');
    if (!inquiry.isOpen) throw askingError(inquiry);
    const root = machine.state.log.root(size);
    const note = await signCheckpoint(formatCheckpoint({ project, size, root }), signing.signer);
    if (size > this.#kept) await this.#save(note, size);
    return note;
  }

  /** Before a checkpoint of this size is signed elsewhere. @throws those of `at`. */
  async keep(size: number): Promise<void> {
    if (size > this.#kept) await this.at(size);
  }

  /** The line of a present worker. @throws `WITNESS_SENDER_MISMATCH`, `WITNESS_TIME`, `CHECKPOINT_…`, `DOC_NOT_BASE64`. */
  async witness(peer: string, { size, line }: { size: number; line: string }): Promise<void> {
    const { machine, signing, clock } = this.#ports;
    const round = this.#round;
    if (round === undefined || round.size !== size) return;
    if (hasAnswered(round, peer)) return;
    const opened = await openWitnessLine(round.base, line, signing.documents.verifier);
    if (opened?.witness !== peer)
      throw new QuorateError('WITNESS_SENDER_MISMATCH', 'a witness line is sent by the key that signed it');
    if (Math.abs(opened.time - clock.now() / 1000) > timeSecondsMax)
      throw new QuorateError(
        'WITNESS_TIME',
        `the witness line is ${Math.round(opened.time - clock.now() / 1000)} s from the clock of the controller`,
      );
    const member = machine.state.presence.workers.get(peer);
    if (member === undefined || hasAnswered(round, peer)) return;
    const { operator, role, grant } = member;
    const given = { ...opened, operator, isTrusted: role === 'trusted-worker', line, grant };
    const isKept = makeRoom(round, given);
    round.answered.add(peer);
    if (isKept) {
      round.members.push(given);
      this.#grown(round);
    }
    this.settle();
  }

  /** Asks a witness from outside for its lines, again and again while the round is the current one. */
  async #askOutside(round: CheckpointRound, witness: ExternalWitness): Promise<void> {
    const { size, base } = round;
    const { clock, machine } = this.#ports;
    const { log } = machine.state;
    const { name } = witness;
    const failing = this.#failing.get(name);
    const wait = (failing?.again ?? 0) - clock.monotonic();
    if (failing !== undefined && wait > 0) {
      failing.cancel();
      failing.cancel = clock.after(wait, () => {
        if (round === this.#round && !clock.closing) void this.#askOutside(round, witness);
      });
      return;
    }
    try {
      const prove = (old: number) => log.consistency(old, size);
      for (const line of await witness.ask({ note: base, size, prove, timeoutMs: sessionTimes.roundMsMax })) {
        const [only, ...more] = signatureLines(`${round.base}${line}`).slice(signatureLines(base).length);
        const fits = line.length <= sessionLimits.namedLineCharsMax;
        if (only === undefined || more.length > 0 || !fits) continue;
        round.outside.set(name, line);
        this.#grown(round);
        // Another one would say the same, and take the room of others.
        break;
      }
      this.#failing.delete(name);
    } catch (error) {
      const { tries, cancel } = this.#failing.get(name) ?? { tries: 0, cancel: () => {} };
      if (tries === 0) this.#warn(`the witness ${name} did not sign (${codeOf(error)}): ${messageOf(error)}`);
      const again =
        clock.monotonic() +
        Math.min(sessionTimes.witnessRetryMsMax, sessionTimes.witnessRetryMs * 2 ** tries);
      this.#failing.set(name, { tries: tries + 1, again, cancel });
      if (round === this.#round && !clock.closing) void this.#askOutside(round, witness);
    } finally {
      round.asked.delete(name);
      this.settle();
    }
  }

  /** Ends the round when nobody is left to answer. */
  settle(): void {
    const round = this.#round;
    if (round?.open !== true || round.asked.size > 0) return;
    const { waitsFor, answered } = round;
    for (const worker of this.#feed.present)
      if (waitsFor?.has(worker) !== false && !answered.has(worker)) return;
    this.#end(round);
  }

  /** A line that came after the end is reported with those that come within a second. */
  #grown(round: CheckpointRound): void {
    if (round !== this.#round) return;
    if (round.open) return this.#use.grown(witnessedCheckpoint(round));
    this.#cancel();
    this.#cancel = this.#ports.clock.after(sessionTimes.roundMsMin, () => this.#report(round));
  }

  #end(round: CheckpointRound): void {
    if (!round.open) return;
    round.open = false;
    this.#cancel();
    for (const resolve of this.#ended.splice(0)) resolve();
    this.#report(round);
    this.look();
  }

  #report(round: CheckpointRound): void {
    if (round !== this.#round) return;
    const checkpoint = witnessedCheckpoint(round);
    this.#save(checkpoint.note, checkpoint.size).catch((error) =>
      this.#warn(`a checkpoint was not kept: ${messageOf(error)}`),
    );
    this.#use.ended(checkpoint);
  }

  /** One after the other: the largest one stays, and of that size the last one. */
  #save(note: string, size: number): Promise<void> {
    return this.#saveInTurn(async () => {
      if (size < this.#kept) return;
      await this.#ports.checkpointFile.save(note);
      this.#kept = size;
    });
  }

  #warn(says: string): void {
    const { clock, tell } = this.#ports;
    if (!clock.closing) tell('warn', 'checkpoint', says);
  }
}
