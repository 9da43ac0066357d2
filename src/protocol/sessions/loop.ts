import type { Handled } from '../base/durability.ts';
import { messageOf, QuorateError, UnknownKind } from '../base/errors.ts';
import { newerEvent } from '../base/newer.ts';
import { isoTime } from '../base/time.ts';
import { sessionLimits } from './limits.ts';
import { MachineTime } from './machine-time.ts';
import type { Clock } from './ports.ts';

/** A sans-I/O state machine. */
export interface Machine<Event, Effect> {
  /** `rules`: those that the event was taken under, where it is replayed; the newest where it is new. */
  handle(event: Event, now: number, rules?: number): Handled<Effect>;
  /** When the next `tick` is due, ms since the epoch; undefined while nothing waits for time to pass. */
  nextDeadline(): number | undefined;
}

/** An event that was taken, and what came of it. */
export interface JournalEntry<Event> {
  event: Event;
  /** ms since the epoch. */
  at: number;
  /** Result of the event, `Handled.record`; absent where it left nothing that lasts. */
  record: string | undefined;
}

/** The same, as it is read again. */
export interface JournalRow<Event> extends JournalEntry<Event> {
  rules: number;
}

/** Events on disk, in order. */
export interface EventLog<Event> {
  /** Where they lie, for messages. */
  readonly place?: string;
  /** All of them or none, however many. */
  appendAll(entries: readonly JournalEntry<Event>[]): void;
  /** Puts all that was appended on disk. */
  sync(): void;
  replay(): Iterable<JournalRow<Event>>;
}

/** Timers of Node wait 2^31 − 1 ms at most. A tick before its time changes nothing. */
const timerMsMax = 24 * 3600 * 1000;

/** An event that waits for the end of the turn. */
interface Queued<Event> {
  event: Event;
  done: () => void;
}

export interface LoopOptions<Event, Effect> {
  machine: Machine<Event, Effect>;
  journal: EventLog<Event>;
  clock: Pick<Clock, 'now' | 'monotonic' | 'after' | 'endOfTurn'>;
  /** Where it began earlier in this process; by default it begins now. */
  time?: MachineTime | undefined;
  /** The clock is right, and was wrong where events of the journal are later than now. */
  acceptClock?: boolean;
  /** Default: set on the loop before the first event. */
  perform?: (effect: Effect) => void;
  /** Undefined where nothing of the machine waits for time to pass. */
  tick: Event | undefined;
  /** The journal cannot be written, the machine or an effect broke: the node must stop. */
  failed: (error: unknown) => void;
}

/**
 * Runs a state machine. At the end of a turn the queued events are handled in order, as one batch: journal, one sync where an event asks
 * for it, then effects. No reader meets a state that is less durable than the machine asks for. An event at which the machine breaks is
 * not written, so that the next start does not break at it. Its time is a `MachineTime`; a `tick` comes at the next deadline.
 */
export class Loop<Event extends { kind: string }, Effect> {
  readonly #machine: Machine<Event, Effect>;
  readonly #journal: EventLog<Event>;
  readonly #clock: Pick<Clock, 'after' | 'endOfTurn'>;
  readonly #acceptClock: boolean;
  /** Carries out an effect. Given later where the sessions that do so need this loop; effects before that are dropped. */
  perform: (effect: Effect) => void;
  readonly #tick: Event | undefined;
  readonly #failed: (error: unknown) => void;
  readonly #time: MachineTime;
  /** Time of the last event. */
  #last: number | undefined;
  #cancel: () => void = () => {};
  /** Events that wait, the oldest first. */
  #queue: Queued<Event>[] = [];
  #flushes = false;
  #closed = false;

  constructor(options: LoopOptions<Event, Effect>) {
    this.#machine = options.machine;
    this.#journal = options.journal;
    this.#clock = options.clock;
    this.#time = options.time ?? new MachineTime(options.clock);
    this.#acceptClock = options.acceptClock ?? false;
    this.perform = options.perform ?? (() => {});
    this.#tick = options.tick;
    this.#failed = options.failed;
  }

  /**
   * Rebuilds the state without effects; returns the number of events. An event that comes to something else than then stops the start.
   * @throws {QuorateError} `CLOCK_BEHIND`, `HOME_NEWER`, `JOURNAL_REPLAY_MISMATCH`
   */
  replay(): number {
    let events = 0;
    for (const { event, at, rules, record } of this.#journal.replay()) {
      this.#last = at;
      events++;
      const difference = this.#replayed(events, { event, at, rules, record });
      if (difference !== undefined) {
        const place = this.#place;
        throw mismatch({ n: events, kind: event.kind, at, rules, says: difference, place });
      }
    }
    if (this.#last !== undefined && !this.#acceptClock) this.#time.follow(this.#last);
    return events;
  }

  get #place(): string {
    return this.#journal.place ?? 'the journal';
  }

  /** How the n-th event comes to something else than it did, or to nothing that can be handled; undefined where it does not. Throws `HOME_NEWER`. */
  #replayed(n: number, { event, at, rules, record }: JournalRow<Event>): string | undefined {
    let handled: Handled<Effect>;
    try {
      handled = this.#machine.handle(event, at, rules);
    } catch (error) {
      if (error instanceof UnknownKind) throw newerEvent(this.#place, n, event, error);
      return `cannot be handled: ${messageOf(error)}`;
    }
    return differenceOf(handled, record);
  }

  /** Queues an event. Resolves once its effects were carried out or the loop is closed; never rejects. */
  dispatch(event: Event): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((done) => {
      this.#queue.push({ event, done });
      this.#flushLater();
    });
  }

  /** Events that were not handled yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  #flushLater(): void {
    if (this.#flushes) return;
    this.#flushes = true;
    this.#clock.endOfTurn(() => {
      this.#flushes = false;
      this.#flush();
    });
  }

  /** Events that its effects dispatch are of a later batch, as are those beyond the bound of one. */
  #flush(): void {
    if (this.#closed) return;
    const batch = this.#queue.splice(0, sessionLimits.eventsAtOnceMax);
    if (this.#queue.length > 0) this.#flushLater();
    try {
      for (const effect of this.#take(batch)) this.perform(effect);
      this.#schedule();
    } catch (error) {
      this.close();
      this.#failed(error);
    }
    for (const { done } of batch) done();
  }

  /**
   * Handles events, journals them and returns their effects. Where the machine breaks at one, those before it are kept and no effect is
   * carried out: the state is not that of the journal any more.
   */
  #take(batch: readonly Queued<Event>[]): Effect[] {
    const at = this.#time.now();
    this.#last = at;
    const entries: JournalEntry<Event>[] = [];
    const effects: Effect[] = [];
    let mustSync = false;
    try {
      for (const { event } of batch) {
        const handled = this.#machine.handle(event, at);
        if (handled.durability !== 'none') entries.push({ event, at, record: handled.record });
        if (handled.durability === 'sync') mustSync = true;
        effects.push(...handled.effects);
      }
    } finally {
      if (entries.length > 0) this.#journal.appendAll(entries);
      if (mustSync) this.#journal.sync();
    }
    return effects;
  }

  /** Drops the queued events: no effect of them was carried out, so nothing was promised. */
  close(): void {
    this.#closed = true;
    this.#cancel();
    for (const { done } of this.#queue.splice(0)) done();
  }

  #schedule(): void {
    this.#cancel();
    this.#cancel = () => {};
    const next = this.#machine.nextDeadline();
    const tick = this.#tick;
    if (next === undefined || tick === undefined || this.#closed) return;
    const wait = Math.min(timerMsMax, Math.max(0, next - (this.#last ?? 0)));
    this.#cancel = this.#clock.after(wait, () => void this.dispatch(tick));
  }
}

/** How what comes of an event differs from what came of it then; undefined where it does not. */
function differenceOf<Effect>(
  { durability, record, effects }: Handled<Effect>,
  then: string | undefined,
): string | undefined {
  // An event that changes nothing, or is refused, is not written.
  if (durability === 'none') return `was taken, and would change nothing now (${refusalIn(effects)})`;
  if (then === record) return undefined;
  return `came to ${then ?? 'nothing'}, and would come to ${record ?? 'nothing'} now`;
}

/** The code of a refusal among the effects. */
function refusalIn(effects: readonly unknown[]): string {
  for (const effect of effects) {
    const { reply } = effect as { reply?: { kind?: string; code?: string } };
    if (reply?.kind === 'error' && reply.code !== undefined) return reply.code;
  }
  return 'no refusal';
}

interface Mismatch {
  n: number;
  kind: string;
  at: number;
  rules: number;
  says: string;
  place: string;
}

function mismatch({ n, kind, at, rules, says, place }: Mismatch): QuorateError {
  return new QuorateError(
    'JOURNAL_REPLAY_MISMATCH',
    `event ${n} of ${place} (${kind}, ${isoTime(at)}, rules ${rules}) ${says}`,
    {
      hint: 'This version judges an old event otherwise than the one that took it. Nothing was changed: start the version that ran before, and report this. Where the disk damaged it, put it back from a copy.',
    },
  );
}
