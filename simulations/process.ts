import type { Handled } from '../src/core/durability.ts';
import { codeOf, messageOf } from '../src/core/errors.ts';
import { limits } from '../src/core/limits.ts';
import { type EventLog, Loop, type Machine } from '../src/core/sessions/loop.ts';
import type { Channel, Clock, Documents, Signing } from '../src/core/sessions/ports.ts';
import type { Keys } from './keys.ts';
import type { Network, Node } from './network.ts';
import { Violation } from './observer.ts';
import { nonceOf } from './paperwork.ts';
import type { Random } from './random.ts';
import type { Rates } from './rates.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

/** Shared by all processes of a simulated world. */
export interface Surroundings {
  time: Scheduler;
  network: Network;
  trace: Trace;
  random: Random;
  keys: Keys;
  /** Opens each text once for all nodes. */
  documents: Documents;
  rates: () => Rates;
}

/** When a process dies at an event: before it is in the journal, right after, or with some effects carried out. */
export type CrashPoint = 'before the journal' | 'after the journal' | 'between effects';

/** A process that is killed loses nothing that it wrote; a power cut takes events that were not synced with it. */
type Crash = 'kill' | 'power cut';

/** The journal of a process, as it survives its crashes. */
class SimulatedJournal<Event extends { kind: string }> implements EventLog<Event> {
  readonly events: { event: Event; at: number; rules: number; record: string | undefined }[] = [];
  /** Events at the start that a power cut cannot take. */
  #synced = 0;
  /** A planted bug: an event is written only after its effects were carried out. */
  late = false;
  #unwritten: { event: Event; at: number; rules: number; record: string | undefined } | undefined;

  append(event: Event, at: number, record: string | undefined): void {
    this.write();
    const written = { event, at, rules: 1, record };
    if (this.late) this.#unwritten = written;
    else this.events.push(written);
  }

  sync(): void {
    this.#synced = this.events.length;
  }

  replay(): SimulatedJournal<Event>['events'] {
    return this.events;
  }

  /** With the bug: the event is written now. */
  write(): void {
    if (this.#unwritten !== undefined) this.events.push(this.#unwritten);
    this.#unwritten = undefined;
  }

  /** Removes the events that a crash loses. Returns their number. */
  crash(how: Crash, random: Random): number {
    this.#unwritten = undefined;
    const lost = how === 'kill' ? 0 : random.int(0, this.events.length - this.#synced);
    this.events.length -= lost;
    this.#synced = this.events.length;
    return lost;
  }
}

/** A replay that comes to something else than was promised on breaks the invariant of replays. */
function replayed(loop: Pick<Loop<{ kind: string }, unknown>, 'replay'>): number {
  try {
    return loop.replay();
  } catch (error) {
    if (codeOf(error) === 'JOURNAL_REPLAY_MISMATCH') throw new Violation('replay', messageOf(error));
    throw error;
  }
}

/** The rest of a dispatch in a process that has just died. */
const nothing = { effects: [], durability: 'none' } as const satisfies Handled<never>;

/** One life of a process: everything that a crash ends. */
export interface Life<Event extends { kind: string }, Effect, M> {
  readonly n: number;
  readonly machine: M;
  readonly loop: Loop<Event, Effect>;
  readonly clock: Clock;
  /** False once the process has crashed: whatever this life still does has no effect. */
  readonly alive: () => boolean;
}

/**
 * A process around a state machine: journal, clock, crash and restart. The loop, the machine and the sessions are those of
 * src/core; only what they run on is simulated. What a crash leaves of the journal survives, and what a subclass keeps on
 * its disk.
 */
export abstract class Process<
  Event extends { kind: string },
  Effect extends { kind: string },
  M extends Machine<Event, Effect>,
> implements Node
{
  abstract readonly name: string;
  abstract readonly id: string;
  up = false;
  life = 0;
  readonly #journal = new SimulatedJournal<Event>();
  protected readonly around: Surroundings;
  readonly #random: Random;
  readonly #powerCuts: Random;
  readonly #damages: Random;
  #current: Life<Event, Effect, M> | undefined;
  /** Effects of the event being handled that are still carried out before the process dies. */
  #effectsLeft = Number.POSITIVE_INFINITY;
  /** With the planted bug: the process dies once the effects are carried out, before the event is written. */
  #diesUnwritten = false;
  /** The state before a kill; undefined after a power cut, which may have taken the last of it, or with the disk damaged. */
  #before: string | undefined;
  #nonces = 0;
  /** Events that were handled, those of replays not counted. */
  #events = 0;
  #clockOffMs = 0;
  /** A planted bug: what measures time is set with the wall clock. */
  steady = true;

  constructor(around: Surroundings, name: string) {
    this.around = around;
    this.#random = around.random.fork(`crashes of ${name}`);
    this.#powerCuts = around.random.fork(`power cuts of ${name}`);
    this.#damages = around.random.fork(`damages of ${name}`);
  }

  protected abstract readonly tick: Event | undefined;
  protected abstract fresh(): M;
  /** A new life begins, with its machine replayed. */
  protected abstract begin(life: Life<Event, Effect, M>): void;
  protected abstract perform(effect: Effect): void;
  /** The machine has handled an event; its effects are not carried out yet. */
  protected abstract handled(event: Event, effects: readonly Effect[]): void;
  /** An event goes into the journal, with this time. */
  protected abstract journaled(at: number): void;
  protected abstract restored(before: string, after: string): void;
  protected abstract snapshot(machine: M): string;
  protected abstract describe(event: Event, effects: readonly Effect[]): string | undefined;
  protected abstract crashRate(): number;
  /** Where it is said to die at its nth event, counted over all its lives. */
  protected crashPlanned(_n: number): CrashPoint | undefined {
    return undefined;
  }
  /** Removes files beside the journal at a crash. Returns whether a replay comes to another state without them. */
  protected damaged(_random: Random): boolean {
    return false;
  }
  /** The journal as a start reads it. */
  protected onDisk(journal: EventLog<Event>): EventLog<Event> {
    return journal;
  }
  abstract accept(protocol: string, channel: Channel): void;

  /** A planted bug: effects are carried out before their event is in the journal. */
  set journalLate(late: boolean) {
    this.#journal.late = late;
  }

  get machine(): M {
    if (this.#current === undefined) throw new Error(`${this.name} was not started`);
    return this.#current.machine;
  }

  /** How far the wall clock of this host is off. */
  get clockOffMs(): number {
    return this.#clockOffMs;
  }

  /** Signs with the key of this process. */
  protected signing(): Signing {
    const { keys, documents } = this.around;
    const signer = keys.signer(this.name);
    return { signer, documents, nonce: () => nonceOf(`${this.name} ${this.#nonces++}`) };
  }

  start(): void {
    if (this.up) return;
    // A clock that is ahead at a start, or behind and later than the journal, was never wrong, as far as a node can know.
    const last = this.#journal.events.at(-1)?.at ?? Number.NEGATIVE_INFINITY;
    const isBehind = last - (this.around.time.now + this.#clockOffMs) > limits.clockSkewSeconds * 1000;
    if (this.#clockOffMs > 0 || !isBehind) this.#clockOffMs = 0;
    this.up = true;
    const n = ++this.life;
    const { time, trace } = this.around;
    const alive = () => this.up && this.life === n;
    const machine = this.fresh();
    const clock: Clock = {
      now: () => time.now + this.#clockOffMs,
      monotonic: () => time.now + (this.steady ? 0 : this.#clockOffMs),
      after: (ms, act) => time.after(ms, () => (alive() ? act() : undefined)),
      closing: false,
      onClosing: () => () => {},
    };
    const loop = new Loop<Event, Effect>({
      machine: this.#watched(machine),
      journal: this.onDisk(this.#journal),
      clock,
      perform: (effect) => this.#perform(effect, alive),
      tick: this.tick,
      failed: (error) => {
        if (codeOf(error) !== 'CLOCK_JUMPED') throw error;
        trace.write(time.now, this.name, messageOf(error));
        // The operator starts it again once the clock is right, as the hint of the error says.
        this.#clockOffMs = 0;
        this.crash('as its clock was set');
      },
    });
    const life = { n, machine, loop, clock, alive };
    this.#current = life;
    if (n > 1) {
      const events = this.#restarted(loop);
      if (events === undefined) return;
      trace.write(time.now, this.name, `restarts after ${events} events`);
      const after = this.snapshot(machine);
      this.restored(this.#before ?? after, after);
    }
    this.#ready = true;
    this.begin(life);
  }

  /** The number of events; undefined where the start is refused for the clock: it is tried again later. */
  #restarted(loop: Loop<Event, Effect>): number | undefined {
    const { time, trace } = this.around;
    try {
      return replayed(loop);
    } catch (error) {
      if (codeOf(error) !== 'CLOCK_BEHIND') throw error;
      trace.write(time.now, this.name, messageOf(error));
      this.up = false;
      time.after(5_000, () => this.start());
      return undefined;
    }
  }

  /** Sets the wall clock off by that much, for as long. One that is off at a start must be behind: see `MachineTime`. */
  setClock(offMs: number, forMs: number): void {
    const { time, trace } = this.around;
    if (!this.up) return;
    trace.write(time.now, this.name, `its clock is set by ${Math.round(offMs / 1000)} s for ${forMs} ms`);
    this.#clockOffMs = offMs;
    time.after(forMs, () => {
      if (this.#clockOffMs === offMs) this.#clockOffMs = 0;
    });
  }

  /** False while a journal is replayed. */
  #ready = false;

  /** Dies. Comes back by itself after a while, unless `forGood`. */
  crash(where: string, forGood = false): void {
    if (!this.up) return;
    const { time, trace, network, rates } = this.around;
    const how: Crash = this.#powerCuts.chance(rates().powerCutPerCrash) ? 'power cut' : 'kill';
    this.#before = how === 'kill' ? this.snapshot(this.machine) : undefined;
    this.up = false;
    this.#ready = false;
    const lost = this.#journal.crash(how, this.#powerCuts);
    trace.write(time.now, this.name, `crashes ${where} (${how}, loses ${lost} events)`);
    if (this.damaged(this.#damages)) this.#before = undefined;
    network.crashed(this);
    if (!forGood) time.after(this.#random.int(500, rates().downMsMax), () => this.start());
  }

  /** Dispatches an event, at which the process may die. */
  protected dispatch({ loop, alive }: Life<Event, Effect, M>, event: Event): void {
    if (!alive()) return;
    loop.dispatch(event);
    if (this.#diesUnwritten && alive()) this.crash('before the journal');
    this.#diesUnwritten = false;
    if (alive()) this.#journal.write();
  }

  /** The machine of a life: its process may die at any event, and what it does is written down. */
  #watched(machine: M): Machine<Event, Effect> {
    return {
      nextDeadline: () => machine.nextDeadline(),
      handle: (event, now): Handled<Effect> => {
        if (!this.#ready) return machine.handle(event, now);
        const point = this.#crashPoint();
        if (point === 'before the journal' && !this.#journal.late) {
          this.crash(point);
          return nothing;
        }
        const handled = machine.handle(event, now);
        const { effects, durability } = handled;
        if (durability !== 'none') this.journaled(now);
        const line = this.describe(event, effects);
        if (line !== undefined) this.around.trace.write(now, this.name, line);
        this.handled(event, effects);
        this.#diesUnwritten = point !== undefined && this.#journal.late;
        // The machine's journal is synced by then, where it asked for that: to die before is to die before the journal.
        if (point === undefined || this.#journal.late) this.#effectsLeft = Number.POSITIVE_INFINITY;
        else if (point === 'after the journal') this.#effectsLeft = 0;
        else this.#effectsLeft = this.#random.int(0, effects.length);
        return handled;
      },
    };
  }

  #perform(effect: Effect, alive: () => boolean): void {
    if (!alive()) return;
    if (this.#effectsLeft-- <= 0) return this.crash('before an effect');
    this.perform(effect);
  }

  #crashPoint(): CrashPoint | undefined {
    const planned = this.crashPlanned(++this.#events);
    if (planned !== undefined) return planned;
    if (!this.#random.chance(this.crashRate())) return undefined;
    return this.#random.pick(['before the journal', 'after the journal', 'between effects'] as const);
  }
}
