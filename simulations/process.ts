import type { Handled } from '../src/core/durability.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import type { Rates } from './rates.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

export interface Surroundings {
  time: Scheduler;
  network: Network;
  trace: Trace;
  random: Random;
  rates: () => Rates;
}

interface Machine<Event, Effect> {
  handle(event: Event, now: number): Handled<Effect>;
  nextDeadline(): number | undefined;
}

/** When a process dies at an event: before it is in the journal, right after, or with some effects carried out. */
type CrashPoint = 'before the journal' | 'after the journal' | 'between effects';

/** A process that is killed loses nothing that it wrote; a power cut takes events that were not synced with it. */
type Crash = 'kill' | 'power cut';

/**
 * A process around a state machine: journal, timer, crash and restart. What a crash leaves of `journal` survives,
 * nothing else. The state machines are those of src/core, treated as the runtime does: write, handle, sync, carry out.
 */
export abstract class Process<Event extends { kind: string }, Effect extends { kind: string }> {
  abstract readonly name: string;
  abstract readonly id: string;
  up = false;
  life = 0;
  readonly journal: { event: Event; now: number }[] = [];
  /** Events at the start of the journal that a power cut cannot take. */
  #synced = 0;
  /** A planted bug: effects are carried out before the event is in the journal. */
  journalLast = false;
  protected readonly around: Surroundings;
  #timer = 0;
  readonly #random: Random;
  readonly #powerCuts: Random;
  /** The state before a kill; undefined after a power cut, which may have taken the last of it. */
  #before: string | undefined;

  constructor(around: Surroundings, name: string) {
    this.around = around;
    this.#random = around.random.fork(`crashes of ${name}`);
    this.#powerCuts = around.random.fork(`power cuts of ${name}`);
  }

  protected abstract machine: Machine<Event, Effect>;
  protected abstract readonly tick: Event;
  protected abstract fresh(): Machine<Event, Effect>;
  protected abstract started(): Promise<void>;
  protected abstract stopped(): void;
  protected abstract crashRate(): number;
  protected abstract perform(effect: Effect): Promise<void>;
  protected abstract handled(event: Event, effects: Effect[]): Promise<void>;
  protected abstract restored(before: string, after: string): Promise<void>;
  protected abstract snapshot(): string;
  protected abstract describe(event: Event, effects: Effect[]): string | undefined;

  async start(): Promise<void> {
    if (this.up) return;
    this.up = true;
    this.life++;
    if (this.life > 1) {
      this.machine = this.fresh();
      for (const { event, now } of this.journal) this.machine.handle(event, now);
      this.around.trace.write(
        this.around.time.now,
        this.name,
        `restarts after ${this.journal.length} events`,
      );
      const after = this.snapshot();
      await this.restored(this.#before ?? after, after);
    }
    await this.started();
  }

  /** Crashes. Restarts by itself after up to `downMsMax`, unless `forGood`. */
  crash(where: string, forGood = false): void {
    if (!this.up) return;
    const { time, trace, network, rates } = this.around;
    const how: Crash = this.#powerCuts.chance(rates().powerCutPerCrash) ? 'power cut' : 'kill';
    this.#before = how === 'kill' ? this.snapshot() : undefined;
    this.up = false;
    const lost = how === 'kill' ? 0 : this.#powerCuts.int(0, this.journal.length - this.#synced);
    this.journal.length -= lost;
    this.#synced = this.journal.length;
    trace.write(time.now, this.name, `crashes ${where} (${how}, loses ${lost} events)`);
    this.stopped();
    network.crashed(this as never);
    if (!forGood) time.after(this.#random.int(500, rates().downMsMax), () => this.start());
  }

  async dispatch(event: Event): Promise<void> {
    if (!this.up) return;
    const { time, trace } = this.around;
    const point = this.#crashPoint();
    if (point === 'before the journal' && !this.journalLast) return this.crash(point);
    const write = () => this.journal.push({ event, now: time.now });
    if (!this.journalLast) write();
    const { effects, durability } = this.machine.handle(event, time.now);
    if (durability === 'none' && !this.journalLast) this.journal.pop();
    if (durability === 'sync') this.#synced = this.journal.length;
    const line = this.describe(event, effects);
    if (line !== undefined) trace.write(time.now, this.name, line);
    await this.handled(event, effects);
    if (point === 'after the journal') return this.crash(point);
    const stop = point === 'between effects' ? this.#random.int(0, effects.length) : undefined;
    for (const [n, effect] of effects.entries()) {
      if (n === stop) return this.crash(point ?? '');
      await this.perform(effect);
    }
    if (this.journalLast) {
      if (point !== undefined) return this.crash('before the journal');
      write();
    }
    this.#schedule();
  }

  #crashPoint(): CrashPoint | undefined {
    if (!this.#random.chance(this.crashRate())) return undefined;
    return this.#random.pick(['before the journal', 'after the journal', 'between effects'] as const);
  }

  #schedule(): void {
    const next = this.machine.nextDeadline();
    const mine = ++this.#timer;
    if (next === undefined) return;
    const { life } = this;
    this.around.time.at(next, () => {
      if (this.up && this.life === life && this.#timer === mine) return this.dispatch(this.tick);
      return undefined;
    });
  }
}
