import type { ControllerState } from '../src/controller/machine/state.ts';
import type { Handled } from '../src/protocol/base/durability.ts';
import { codeOf, messageOf } from '../src/protocol/base/errors.ts';
import { limits } from '../src/protocol/base/limits.ts';
import { sessionLimits } from '../src/protocol/sessions/limits.ts';
import { type EventLog, type JournalRow, Loop, type Machine } from '../src/protocol/sessions/loop.ts';
import { MachineTime } from '../src/protocol/sessions/machine-time.ts';
import type { Channel, Clock, Documents, Signing } from '../src/protocol/sessions/ports.ts';
import { type Crash, SimulatedJournal } from './journal.ts';
import type { Keys } from './keys.ts';
import type { Network, Node } from './network.ts';
import { type Observation, Violation } from './observer.ts';
import { epochMs, nonceOf } from './paperwork.ts';
import type { Patches } from './patches.ts';
import type { Random } from './random.ts';
import type { Rates } from './rates.ts';
import type { Scheduler } from './scheduler.ts';
import type { Trace } from './trace.ts';

/** Time in which the first lives begin; whoever joins first does so after it, and finds them. */
export const startMs = 500;

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
  observe: (seen: Observation) => void;
}

/** When a process dies at an event. A power cut before the sync takes the whole batch. */
const crashPoints = [
  'before the journal',
  'before the sync',
  'after the journal',
  'between effects',
] as const;
export type CrashPoint = (typeof crashPoints)[number];

/** A replay that comes to something else than was promised on breaks the invariant of replays. */
function replayed(loop: Pick<Loop<{ kind: string }, unknown>, 'replay'>): number {
  try {
    return loop.replay();
  } catch (error) {
    if (codeOf(error) === 'JOURNAL_REPLAY_MISMATCH') throw new Violation(messageOf(error), 'replay');
    throw error;
  }
}

/** The rest of a dispatch in a process that has just died. */
const nothing = { effects: [], durability: 'none' } as const satisfies Handled<never>;

/** Does something unless the process has crashed: else nothing comes of it any more. */
export const whenAlive = <T>({ alive }: { alive: () => boolean }, act: () => T | Promise<T>): Promise<T> =>
  alive() ? Promise.resolve(act()) : new Promise(() => {});

/** One life of a process: everything that a crash ends. */
export interface Life<Event extends { kind: string }, Effect, M> {
  readonly n: number;
  readonly machine: M;
  readonly loop: Loop<Event, Effect>;
  readonly clock: Clock;
  /** False once the process has crashed: whatever this life still does has no effect. */
  readonly alive: () => boolean;
}

/** A process around a state machine: journal, clock, crash and restart are simulated; loop, machine and sessions are real. */
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
  /** Where the process dies in the batch that is handled. */
  #plan: { at: number; point: CrashPoint } | undefined;
  #batch = { events: 0, effects: 0, mustSync: false };
  /** Effects of the batch that are still carried out before the process dies. */
  #effectsLeft = Number.POSITIVE_INFINITY;
  /** The state before the batch, where nothing of it is left. */
  #atStart: string | undefined;
  readonly #turns: Random;
  /** How late a turn of its event loop may end: it is busy, or waits for its disk. */
  readonly #turnMsMax: number;
  /** The state before a kill; undefined after a power cut, which may have taken the last of it. */
  #before: string | undefined;
  #nonces = 0;
  /** Events that were handled, those of replays not counted. */
  #events = 0;
  #clockOffMs = 0;
  #syncLate = false;
  #wallClock: Patches['wallClock'];

  constructor(around: Surroundings, name: string) {
    this.around = around;
    this.#random = around.random.fork(`crashes of ${name}`);
    this.#powerCuts = around.random.fork(`power cuts of ${name}`);
    this.#damages = around.random.fork(`damages of ${name}`);
    this.#turns = around.random.fork(`turns of ${name}`);
    this.#turnMsMax = this.#turns.pick([0, 0, 10, 100]);
  }

  protected abstract readonly tick: Event | undefined;
  protected abstract fresh(): M;
  /** A new life begins, with its machine replayed. */
  protected abstract begin(life: Life<Event, Effect, M>): void;
  protected abstract perform(effect: Effect): void;
  /** The machine has handled an event; its effects are not carried out yet. */
  protected abstract handled(event: Event, effects: readonly Effect[]): void;
  protected restored(before: string, after: string, state?: ControllerState, isCopy?: boolean): void {
    this.around.observe({ kind: 'restarted', who: this.name, before, after, state, isCopy });
  }
  protected abstract snapshot(machine: M): string;
  protected abstract describe(event: Event, effects: readonly Effect[]): string | undefined;
  protected abstract crashRate(): number;
  /** Where it is said to die at its nth event, counted over all its lives. */
  protected crashPlanned(_n: number): CrashPoint | undefined {
    return undefined;
  }
  /** Removes files beside the journal at a crash. */
  protected damage(_random: Random): void {}
  /** The journal as a start reads it into this machine. */
  protected onDisk(journal: EventLog<Event>, _machine: M): EventLog<Event> {
    return journal;
  }
  abstract accept(protocol: string, channel: Channel): void;

  /** Plants bugs: effects are carried out before their events are in the journal, or before it is synced; a wrong clock is believed. */
  plant({ journalLate, wallClock }: Pick<Patches, 'journalLate' | 'wallClock'>): void {
    this.#journal.late = journalLate === 'append';
    this.#syncLate = journalLate === 'sync';
    this.#wallClock = wallClock;
  }

  get machine(): M {
    if (this.#current === undefined) throw new Error(`${this.name} was not started`);
    return this.#current.machine;
  }

  /** How far the wall clock of this host is off. */
  get clockOffMs(): number {
    return this.#clockOffMs;
  }

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
    const journal = this.#journal;
    const monotonic = () => time.now + (this.#wallClock === 'timers' ? this.#clockOffMs : 0);
    const machineTime = new MachineTime({ now: () => time.now + this.#clockOffMs, monotonic });
    const clock: Clock = {
      endOfTurn: (act) =>
        this.#endOfTurn(() => {
          if (alive()) this.#handleBatch(loop.waiting, act, alive);
        }),
      now: () => (this.#wallClock === 'sessions' ? time.now + this.#clockOffMs : machineTime.steady()),
      monotonic,
      after: (ms, act) => time.after(ms, () => (alive() ? act() : undefined)),
      closing: false,
      onClosing: () => () => {},
    };
    const loop = new Loop<Event, Effect>({
      machine: this.#watched(machine, alive),
      journal: this.onDisk(
        {
          appendAll: (entries) => (alive() ? journal.appendAll(entries) : undefined),
          sync: () => this.#sync(alive),
          replay: () => journal.replay(),
        },
        machine,
      ),
      clock,
      time: machineTime,
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
    const how = this.#powerCuts.chance(this.around.rates().powerCutPerCrash) ? 'power cut' : 'kill';
    this.#crash(where, how, { forGood, before: () => this.snapshot(this.machine) });
  }

  /** `before`: the state that a kill leaves on disk. `batches`: how many a power cut takes at least. */
  #crash(
    where: string,
    how: Crash,
    { forGood = false, batches = 0, before }: { forGood?: boolean; batches?: number; before?: () => string },
  ): void {
    if (!this.up) return;
    const { time, trace, network, rates } = this.around;
    this.#before = how === 'kill' ? before?.() : undefined;
    this.up = false;
    this.#ready = false;
    const lost = this.#journal.crash(how, this.#powerCuts, batches);
    trace.write(time.now, this.name, `crashes ${where} (${how}, loses ${lost} events)`);
    this.damage(this.#damages);
    network.crashed(this);
    if (!forGood) time.after(this.#random.int(500, rates().downMsMax), () => this.start());
  }

  /** The journal as a copy of the disk has it now. */
  protected copyOfJournal(): readonly JournalRow<Event>[] {
    return [...this.#journal.events];
  }

  protected comeBackWith(rows: readonly JournalRow<Event>[], where: string): void {
    this.crash(where);
    this.around.trace.write(this.around.time.now, this.name, where);
    this.#journal.replaceWith(rows);
    this.#before = undefined;
  }

  /** Dispatches an event, at which the process may die. */
  protected dispatch({ loop, alive }: Life<Event, Effect, M>, event: Event): Promise<void> {
    return alive() ? loop.dispatch(event) : Promise.resolve();
  }

  /** A turn ends at once, or when others had theirs at the same time or a little later: batches get all sizes. */
  #endOfTurn(act: () => void): void {
    const atOnce = this.#turns.chance(0.5) || this.around.time.now < epochMs + startMs;
    if (atOnce) queueMicrotask(act);
    else this.around.time.after(this.#turns.int(0, this.#turnMsMax), act);
  }

  #handleBatch(waiting: number, act: () => void, alive: () => boolean): void {
    this.#plan = this.#crashPlan(Math.min(waiting, sessionLimits.eventsAtOnceMax));
    this.#batch = { events: 0, effects: 0, mustSync: false };
    this.#effectsLeft = Number.POSITIVE_INFINITY;
    this.#atStart = this.#losesBatch ? this.snapshot(this.machine) : undefined;
    act();
    if (alive() && this.#plan !== undefined) {
      if (this.#journal.late) this.crash('before the journal');
      else if (this.#losesBatch) this.#crash('before the sync', 'power cut', { batches: 1 });
    }
    if (alive()) this.#journal.write();
    if (alive() && this.#syncLate && this.#batch.mustSync) this.#journal.sync();
    this.#plan = undefined;
  }

  /** True where the planned crash loses the whole batch. */
  get #losesBatch(): boolean {
    const point = this.#plan?.point;
    return !this.#journal.late && (point === 'before the journal' || point === 'before the sync');
  }

  #sync(alive: () => boolean): void {
    if (!alive() || this.#syncLate) return;
    if (this.#losesBatch) this.#crash('before the sync', 'power cut', { batches: 1 });
    else this.#journal.sync();
  }

  /** The machine of a life: its process may die at any event, and what it does is written down. */
  #watched(machine: M, alive: () => boolean): Machine<Event, Effect> {
    return {
      nextDeadline: () => machine.nextDeadline(),
      handle: (event, now, rules): Handled<Effect> => {
        if (!alive()) return nothing;
        if (!this.#ready) return machine.handle(event, now, rules);
        const plan = this.#batch.events++ === this.#plan?.at ? this.#plan : undefined;
        if (plan?.point === 'before the journal' && this.#losesBatch) {
          const how = this.#powerCuts.chance(this.around.rates().powerCutPerCrash) ? 'power cut' : 'kill';
          const before = this.#atStart;
          this.#crash(plan.point, how, before === undefined ? {} : { before: () => before });
          return nothing;
        }
        const handled = machine.handle(event, now);
        const { effects, durability } = handled;
        // An event that is lost before its effects is known to no other process.
        if (!this.#losesBatch) {
          if (durability !== 'none') this.around.observe({ kind: 'journaled', who: this.name, at: now });
          const line = this.describe(event, effects);
          if (line !== undefined) this.around.trace.write(now, this.name, line);
          this.handled(event, effects);
        }
        if (plan?.point === 'after the journal') this.#effectsLeft = this.#batch.effects;
        if (plan?.point === 'between effects')
          this.#effectsLeft = this.#batch.effects + this.#random.int(0, effects.length);
        if (this.#journal.late) this.#effectsLeft = Number.POSITIVE_INFINITY;
        this.#batch.effects += effects.length;
        this.#batch.mustSync ||= durability === 'sync';
        return handled;
      },
    };
  }

  #perform(effect: Effect, alive: () => boolean): void {
    if (!alive()) return;
    // A batch that needs no sync: its first effect is the first sign that it is in the journal.
    if (this.#losesBatch && !this.#batch.mustSync)
      return this.#crash('before the sync', 'power cut', { batches: 1 });
    if (this.#effectsLeft-- <= 0) return this.crash('before an effect');
    this.perform(effect);
  }

  /** The first event of a batch at which the process dies. */
  #crashPlan(events: number): { at: number; point: CrashPoint } | undefined {
    for (let at = 0; at < events; at++) {
      const point = this.#crashPoint();
      if (point !== undefined) return { at, point };
    }
    return undefined;
  }

  #crashPoint(): CrashPoint | undefined {
    const planned = this.crashPlanned(++this.#events);
    if (planned !== undefined) return planned;
    if (!this.#random.chance(this.crashRate())) return undefined;
    return this.#random.pick(crashPoints);
  }
}
