import { availableParallelism, totalmem } from 'node:os';
import type { Steering } from '../../sandbox/index.ts';
import { QuorateError } from '../core/errors.ts';
import type { Lending, WorkerEvent } from '../core/worker/events.ts';
import { messageOf, type Tell } from './events.ts';
import { type Hours, withinHours } from './hours.ts';
import { ownerLoad, type ProcessorTimes, processorTimes } from './owner-load.ts';

/** What the owner of the machine allows besides what it lends. */
export interface OperatorRules {
  /** New jobs are taken only then; none means always. Local time. */
  hours: Hours[];
  /** Builds stand still while the owner's own programs keep more processors busy than this. */
  pauseAboveLoad?: number;
}

/** What the owner can change while builds run. */
export interface LimitChanges {
  cpus?: number | undefined;
  memoryBytes?: number | undefined;
  diskBytes?: number | undefined;
  jobsAtOnce?: number | undefined;
}

export interface OperatorStatus {
  state: 'working' | 'paused' | 'draining' | 'waiting';
  /** Why nothing new is taken; null when it is. */
  reason: string | null;
  lending: { cpus: number; memoryBytes: number; diskBytes: number; jobsAtOnce: number };
  /** Builds that run, for how long, and what all of them use together. */
  builds: { job: string; commit: string; ms: number }[];
  using: { memoryBytes: number; processorSeconds: number };
  /** Leases of rounds that have not ended, those being built included. */
  leases: number;
  /** Processors that everybody else kept busy lately; null before the first look and where nobody asked. */
  ownerLoad: number | null;
}

export interface OperatorOptions {
  lending: Lending;
  rules: OperatorRules;
  sandboxes: Steering;
  dispatch(event: WorkerEvent): void;
  builds(): OperatorStatus['builds'];
  leases(): number;
  tell: Tell;
  /** The worker is to end: all is done, or its operator wants it at once. */
  stop(): void;
}

const lookMs = 5_000;
const drainLookMs = 200;
/** Quiet for this many looks before builds go on: a compiler of the owner's pauses to read, too. */
const quietLooks = 2;

/** The owner's hand on a running worker: what it takes, when, and how much of the machine. */
export class Operator {
  readonly #options: OperatorOptions;
  #lending: Lending;
  #manual: 'working' | 'paused' | 'draining' = 'working';
  #outsideHours = false;
  #busyOwner = false;
  #load: number | null = null;
  #quiet = 0;
  #times: ProcessorTimes | undefined;
  #timer: NodeJS.Timeout | undefined;
  #draining: NodeJS.Timeout | undefined;

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#lending = options.lending;
    this.#outsideHours = !this.#isTime();
  }

  /** What to begin with. */
  get lending(): Lending {
    const closed = this.#closed();
    return closed === undefined ? this.#lending : { ...this.#lending, closed };
  }

  start(): void {
    const { hours, pauseAboveLoad } = this.#options.rules;
    if (hours.length === 0 && pauseAboveLoad === undefined) return;
    const look = () =>
      this.#look().catch((error) => this.#options.tell('warn', 'operator', messageOf(error)));
    this.#timer = setInterval(look, lookMs);
  }

  close(): void {
    clearInterval(this.#timer);
    clearInterval(this.#draining);
    this.#options.sandboxes.thaw();
  }

  /** Builds stop where they are, and nothing new is taken. */
  pause(): void {
    this.#become('paused', 'paused: builds stand still, nothing new is taken');
  }

  resume(): void {
    clearInterval(this.#draining);
    this.#become('working', 'goes on');
  }

  /** What is being built is finished, and its rounds are seen to their end; then the worker stops. */
  drain(): void {
    this.#become('draining', 'takes nothing new and stops when all it has a lease for is done');
    clearInterval(this.#draining);
    this.#draining = setInterval(() => {
      if (this.#options.leases() === 0) this.stop();
    }, drainLookMs);
  }

  stop(): void {
    clearInterval(this.#draining);
    this.#options.tell('info', 'operator', 'stops');
    this.#options.stop();
  }

  /** Holds from now on, also for builds that run. Gives what a running build could not be held to. Throws `LIMITS_ABOVE_MACHINE`. */
  limit(changes: LimitChanges): string[] {
    refuseMore('cpus', changes.cpus, availableParallelism());
    refuseMore('memory', changes.memoryBytes, totalmem());
    const { capabilities, jobsAtOnce } = this.#lending;
    this.#lending = {
      ...this.#lending,
      capabilities: {
        ...capabilities,
        cpus: changes.cpus ?? capabilities.cpus,
        memoryBytes: changes.memoryBytes ?? capabilities.memoryBytes,
        diskBytes: changes.diskBytes ?? capabilities.diskBytes,
      },
      jobsAtOnce: changes.jobsAtOnce ?? jobsAtOnce,
    };
    const running = Math.max(1, this.#options.sandboxes.usage().length);
    const { cpus, memoryBytes } = this.#lending.capabilities;
    const missed = this.#options.sandboxes.cap({
      cpus: cpus / running,
      memoryBytes: Math.floor(memoryBytes / running),
    });
    this.#apply();
    this.#options.tell(
      'info',
      'operator',
      `lends ${cpus} cpus and ${memoryBytes} bytes of memory from now on`,
    );
    return [...new Set(missed)];
  }

  status(): OperatorStatus {
    const { sandboxes, builds, leases } = this.#options;
    const { capabilities, jobsAtOnce } = this.#lending;
    const { cpus, memoryBytes, diskBytes } = capabilities;
    const closed = this.#closed();
    const using = sandboxes.usage().reduce(
      (sum, one) => ({
        memoryBytes: sum.memoryBytes + (one.memoryBytes || 0),
        processorSeconds: sum.processorSeconds + (one.processorSeconds || 0),
      }),
      { memoryBytes: 0, processorSeconds: 0 },
    );
    return {
      state: this.#manual !== 'working' ? this.#manual : closed === undefined ? 'working' : 'waiting',
      reason: closed ?? null,
      lending: { cpus, memoryBytes, diskBytes, jobsAtOnce },
      builds: builds(),
      using,
      leases: leases(),
      ownerLoad: this.#load,
    };
  }

  #become(manual: 'working' | 'paused' | 'draining', says: string): void {
    this.#manual = manual;
    this.#options.tell('info', 'operator', says);
    this.#apply();
  }

  #closed(): string | undefined {
    if (this.#manual === 'paused') return 'paused by its operator';
    if (this.#manual === 'draining') return 'being drained by its operator';
    if (this.#busyOwner) return 'busy with programs of its owner';
    return this.#outsideHours ? 'outside the hours of its operator' : undefined;
  }

  #apply(): void {
    const { sandboxes, dispatch } = this.#options;
    if (this.#manual === 'paused' || (this.#busyOwner && this.#manual === 'working')) sandboxes.freeze();
    else sandboxes.thaw();
    dispatch({ kind: 'lending', lending: this.lending });
  }

  #isTime(): boolean {
    const now = new Date();
    return withinHours(this.#options.rules.hours, now.getHours() * 60 + now.getMinutes());
  }

  async #look(): Promise<void> {
    const before = this.#closed();
    this.#outsideHours = !this.#isTime();
    await this.#lookAtOwner();
    const after = this.#closed();
    if (after === before) return;
    this.#options.tell(
      'info',
      'operator',
      after === undefined ? 'takes jobs again' : `takes no job: ${after}`,
    );
    this.#apply();
  }

  async #lookAtOwner(): Promise<void> {
    const { rules, sandboxes } = this.#options;
    if (rules.pauseAboveLoad === undefined) return;
    const times = await processorTimes(sandboxes.processorSeconds());
    if (this.#times !== undefined) {
      this.#load = ownerLoad(this.#times, times);
      this.#quiet = this.#load > rules.pauseAboveLoad ? 0 : this.#quiet + 1;
      this.#busyOwner = this.#quiet === 0 || (this.#busyOwner && this.#quiet < quietLooks);
    }
    this.#times = times;
  }
}

function refuseMore(what: string, asked: number | undefined, there: number): void {
  if (asked === undefined || asked <= there) return;
  throw new QuorateError(
    'LIMITS_ABOVE_MACHINE',
    `${what}: ${asked} is more than this machine has (${there})`,
    {
      hint: 'Lend less than all of it: the machine stays yours.',
    },
  );
}
