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
  handle(event: Event, now: number): Effect[];
  nextDeadline(): number | undefined;
}

/** When a process dies at an event: before it is in the journal, right after, or with some effects carried out. */
type CrashPoint = 'before the journal' | 'after the journal' | 'between effects';

/**
 * A process around a machine: journal, timer, crash and restart. What is in `journal` survives, everything else does
 * not. The machines are those of src/core, and it treats them as the real runtime does: journal, handle, carry out.
 */
export abstract class Process<Event extends { kind: string }, Effect extends { kind: string }> {
  abstract readonly name: string;
  abstract readonly id: string;
  up = false;
  life = 0;
  readonly journal: { event: Event; now: number }[] = [];
  /** A planted bug: effects are carried out before the event is in the journal. */
  journalLast = false;
  protected readonly around: Surroundings;
  #timer = 0;
  readonly #random: Random;
  #before = '';

  constructor(around: Surroundings, name: string) {
    this.around = around;
    this.#random = around.random.fork(`crashes of ${name}`);
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
      await this.restored(this.#before, this.snapshot());
    }
    await this.started();
  }

  /** Dies. Comes back by itself after a while, unless `forGood`. */
  crash(where: string, forGood = false): void {
    if (!this.up) return;
    const { time, trace, network, rates } = this.around;
    this.#before = this.snapshot();
    this.up = false;
    trace.write(time.now, this.name, `crashes ${where}`);
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
    const effects = this.machine.handle(event, time.now);
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
