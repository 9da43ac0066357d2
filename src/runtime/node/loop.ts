import type { Handled } from '../../core/durability.ts';
import type { Journal } from '../../journal/index.ts';

interface Machine<Event, Effect> {
  handle(event: Event, now: number): Handled<Effect>;
  nextDeadline(): number | undefined;
}

/** The longest a Node timer can wait is 2^31 − 1 ms; waking up for nothing once a day is harmless. */
const timerMsMax = 24 * 3600 * 1000;

/**
 * Runs a sans-I/O state machine: each event is in the journal before the machine sees it, and as durable as the machine
 * says before an effect of it is carried out. Time never goes backwards; a `tick` is delivered when the machine's next
 * deadline is reached.
 */
export class Loop<Event, Effect> {
  readonly #machine: Machine<Event, Effect>;
  readonly #journal: Journal<Event>;
  readonly #perform: (effect: Effect) => void;
  readonly #tick: Event;
  readonly #failed: (error: unknown) => void;
  #last = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: {
    machine: Machine<Event, Effect>;
    journal: Journal<Event>;
    perform: (effect: Effect) => void;
    tick: Event;
    /** The journal cannot be written or the machine broke: the node must stop. */
    failed: (error: unknown) => void;
  }) {
    this.#machine = options.machine;
    this.#journal = options.journal;
    this.#perform = options.perform;
    this.#tick = options.tick;
    this.#failed = options.failed;
  }

  /** Rebuilds the state; the effects of that time were carried out then. Returns how many events there were. */
  replay(): number {
    let events = 0;
    for (const { event, at } of this.#journal.replay()) {
      this.#last = Math.max(this.#last, at);
      this.#machine.handle(event, at);
      events++;
    }
    return events;
  }

  dispatch(event: Event): void {
    if (this.#closed) return;
    const now = Math.max(this.#last, Date.now());
    this.#last = now;
    let handled: Handled<Effect>;
    try {
      this.#journal.append(event, now);
      handled = this.#machine.handle(event, now);
      if (handled.durability === 'none') this.#journal.forget();
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
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const next = this.#machine.nextDeadline();
    if (next === undefined || this.#closed) return;
    const wait = Math.min(timerMsMax, Math.max(0, next - Date.now()));
    this.#timer = setTimeout(() => this.dispatch(this.#tick), wait);
  }
}
