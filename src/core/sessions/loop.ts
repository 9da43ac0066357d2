import type { Handled } from '../durability.ts';
import { QuorateError } from '../errors.ts';
import { isoTime } from '../time.ts';
import { MachineTime } from './machine-time.ts';
import type { Clock } from './ports.ts';

/** A sans-I/O state machine. */
export interface Machine<Event, Effect> {
  handle(event: Event, now: number): Handled<Effect>;
  /** When the next `tick` is due, ms since the epoch; undefined while nothing waits for time to pass. */
  nextDeadline(): number | undefined;
}

/** An event that was taken, and what came of it. */
export interface JournalRow<Event> {
  event: Event;
  at: number;
  rules: number;
  record: string | undefined;
}

/** Events on disk, in order. */
export interface EventLog<Event> {
  /** `record`: what came of the event (`Handled.record`). Whole or not at all. */
  append(event: Event, at: number, record: string | undefined): void;
  /** Puts all that was appended on disk. */
  sync(): void;
  replay(): Iterable<JournalRow<Event>>;
}

/** Timers of Node wait 2^31 − 1 ms at most. A tick before its time changes nothing. */
const timerMsMax = 24 * 3600 * 1000;

/**
 * Runs a state machine: each event that changed something is in the journal, with what came of it and as durable as the
 * machine says, before an effect of it is carried out. An event at which the machine breaks is not written, so that the next
 * start does not break at it. Its time is a `MachineTime`; a `tick` is delivered when the next deadline is reached.
 */
export class Loop<Event extends { kind: string }, Effect> {
  readonly #machine: Machine<Event, Effect>;
  readonly #journal: EventLog<Event>;
  readonly #clock: Pick<Clock, 'now' | 'monotonic' | 'after'>;
  readonly #acceptClock: boolean;
  readonly #perform: (effect: Effect) => void;
  readonly #tick: Event | undefined;
  readonly #failed: (error: unknown) => void;
  /** From the first event of this life on. */
  #time: MachineTime | undefined;
  /** Time of the last event. */
  #last: number | undefined;
  #cancel: () => void = () => {};
  #closed = false;

  constructor(options: {
    machine: Machine<Event, Effect>;
    journal: EventLog<Event>;
    clock: Pick<Clock, 'now' | 'monotonic' | 'after'>;
    /** The clock is right, and was wrong where events of the journal are later than now. */
    acceptClock?: boolean;
    perform: (effect: Effect) => void;
    /** Undefined where nothing of the machine waits for time to pass. */
    tick: Event | undefined;
    /** The journal cannot be written or the machine broke: the node must stop. */
    failed: (error: unknown) => void;
  }) {
    this.#machine = options.machine;
    this.#journal = options.journal;
    this.#clock = options.clock;
    this.#acceptClock = options.acceptClock ?? false;
    this.#perform = options.perform;
    this.#tick = options.tick;
    this.#failed = options.failed;
  }

  /**
   * Rebuilds the state; the effects of these events were carried out in an earlier life. Returns the number of events.
   * An event that comes to something else than it did then stops the start: the state would not be the one that was
   * promised on. Errors: `CLOCK_BEHIND`, `JOURNAL_REPLAY_MISMATCH`.
   */
  replay(): number {
    let events = 0;
    for (const { event, at, rules, record } of this.#journal.replay()) {
      this.#last = at;
      const handled = this.#machine.handle(event, at);
      events++;
      const difference = differenceOf(handled, record);
      if (difference !== undefined)
        throw mismatch({ n: events, kind: event.kind, at, rules, says: difference });
    }
    this.#time = this.#newTime();
    return events;
  }

  #newTime(): MachineTime {
    return new MachineTime(this.#clock, this.#acceptClock ? undefined : this.#last);
  }

  dispatch(event: Event): void {
    if (this.#closed) return;
    let handled: Handled<Effect>;
    try {
      this.#time ??= this.#newTime();
      const now = this.#time.now();
      this.#last = now;
      handled = this.#machine.handle(event, now);
      if (handled.durability !== 'none') this.#journal.append(event, now, handled.record);
      if (handled.durability === 'sync') this.#journal.sync();
    } catch (error) {
      this.close();
      this.#failed(error);
      return;
    }
    for (const effect of handled.effects) this.#perform(effect);
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #schedule(): void {
    this.#cancel();
    this.#cancel = () => {};
    const next = this.#machine.nextDeadline();
    const tick = this.#tick;
    if (next === undefined || tick === undefined || this.#closed) return;
    const wait = Math.min(timerMsMax, Math.max(0, next - (this.#last ?? 0)));
    this.#cancel = this.#clock.after(wait, () => this.dispatch(tick));
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
}

function mismatch({ n, kind, at, rules, says }: Mismatch): QuorateError {
  return new QuorateError(
    'JOURNAL_REPLAY_MISMATCH',
    `event ${n} of the journal (${kind}, ${isoTime(at)}, rules ${rules}) ${says}`,
    {
      hint: 'This version judges an old event otherwise than the one that took it. Nothing was changed: start the version that ran before, and report this.',
    },
  );
}
