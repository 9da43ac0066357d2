import { readFile } from 'node:fs/promises';
import type { SandboxCaps, Steering, Tier } from '../../../sandbox/index.ts';
import type { HostGate } from '../../egress/index.ts';
import type { Tell } from '../../node/node-events.ts';
import type { Bandwidth } from '../../protocol/base/bandwidth.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import { counted, sizeText } from '../../protocol/base/quantity.ts';
import {
  type CapField,
  isLive,
  isPromised,
  type KnobChanges,
  knobList,
  type LiveField,
  type LiveValue,
} from '../lending-knobs.ts';
import type { Lending, WorkerEvent } from '../machine/events.ts';
import type { PastBuild } from '../machine/history.ts';
import type { HostList } from './allowed-hosts.ts';
import { withinHours } from './hours.ts';
import type { FetchedImage } from './images.ts';
import { workerNodeLimits } from './limits.ts';
import { checkDisk, checkHeld, checkTerms, type OperatorRules, unheeded } from './terms.ts';

/** Processor time so far, in seconds: of the whole host, and of this worker with its builds. */
interface ProcessorTimes {
  at: number;
  machine: number;
  ours: number;
}

/** Unit of /proc/stat, independent of the kernel's own tick (proc_stat(5), USER_HZ). */
const ticksPerSecond = 100;

/** Seconds that all processors were busy since boot: user, nice, system and interrupts, not waiting. */
export function busySeconds(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '')
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softirq) / ticksPerSecond;
}

/** `builds`: seconds of processor time of all builds so far. */
export async function processorTimes(builds: number): Promise<ProcessorTimes> {
  const { user, system } = process.cpuUsage();
  return {
    at: performance.now() / 1000,
    machine: busySeconds(await readFile('/proc/stat', 'utf8')),
    ours: builds + (user + system) / 1e6,
  };
}

/** Processors that other programs kept busy between two measurements. */
export function hostLoad(before: ProcessorTimes, after: ProcessorTimes): number {
  const seconds = after.at - before.at;
  if (seconds <= 0) return 0;
  return Math.max(0, (after.machine - before.machine - (after.ours - before.ours)) / seconds);
}

/** Measurements below the limit before builds continue: other programs pause, too, such as a compiler that reads. */
const quietLooks = 2;

/** Whether other programs need the host: from a measurement above the limit on, until enough in a row are not. */
export class BusyOwner {
  /** Measurements since the last one above the limit. */
  #quiet = quietLooks;

  get isBusy(): boolean {
    return this.#quiet < quietLooks;
  }

  look(load: number, above: number): void {
    this.#quiet = load > above ? 0 : this.#quiet + 1;
  }
}

/** Lent resources; null where there is no limit. */
export type Lent = { [F in Exclude<LiveField, 'pids'>]: LiveValue<F> } & {
  tiers: Tier[];
  pids: number | null;
};

/** `refusing`: the log of the project is void, by evidence. */
type State = 'working' | 'paused' | 'draining' | 'waiting' | 'cut off' | 'refusing';
export type OperatorStatus = ReturnType<Operator['status']>;
/** Hosts that the worker connects to for its project. */
export type HostStatus = OperatorStatus['hosts'];

export interface OperatorOptions {
  lending: Lending;
  rules: OperatorRules;
  sandboxes: Steering;
  bandwidth: Bandwidth;
  dispatch(event: WorkerEvent): Promise<void>;
  /** Running builds, and for how long each runs. */
  builds(): { job: string; commit: string; ms: number }[];
  /** The image that a build waits for; null while none is being fetched. */
  fetching(): FetchedImage | null;
  /** Pinned trees that are not whole: nothing is removed from the store. */
  damaged(): readonly string[];
  leases(): number;
  history(): PastBuild[];
  /** Why no job comes, such as a lost connection; null while nothing is known to be wrong. */
  trouble(): string | null;
  behind(): string | null;
  /** A fault of the project's log, and whether no job of it is taken for that. */
  log(): { trouble: string | null; isVoid: boolean };
  hosts: Pick<HostList, 'list' | 'spent' | 'watch' | 'allow' | 'withdraw'> & {
    gate: Pick<HostGate, 'traffic'>;
  };
  /** Hosts that the project names, or jobs that were passed on, and that are not allowed. */
  pendingHosts(): string[];
  tell: Tell;
  /** Ends the worker: it is drained, or its operator stops it. */
  stop(): void;
}

/** The operator's control of a running worker: which jobs it takes, when, and how much of the host they get. */
export class Operator {
  readonly #options: OperatorOptions;
  #lending: Lending;
  #rules: OperatorRules;
  #manual: 'working' | 'paused' | 'draining' = 'working';
  #outsideHours = false;
  readonly #owner = new BusyOwner();
  #load: number | null = null;
  #times: ProcessorTimes | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #unwatch: () => void;
  #draining: NodeJS.Timeout | undefined;

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#lending = options.lending;
    this.#rules = options.rules;
    checkHeld(options.rules, options.sandboxes.abilities);
    this.#hold();
    this.#outsideHours = !this.#isTime();
    this.#unwatch = options.hosts.watch(() => this.#apply());
  }

  /** Resources that are lent now, and why no new job is taken, if so. */
  get lending(): Lending {
    const closed = this.#closed();
    const { list: hosts, spent } = this.#options.hosts;
    return { ...this.#lending, hosts, spent, ...(closed !== undefined && { closed }) };
  }

  start(): void {
    for (const what of unheeded(this.#rules, this.#options.sandboxes.abilities))
      this.#options.tell('warn', 'operator', `has no effect here: ${what}`);
    const { hours, pauseAboveLoad } = this.#rules;
    if (hours.length === 0 && pauseAboveLoad === undefined) return;
    const failed = (error: unknown) => this.#options.tell('warn', 'operator', messageOf(error));
    this.#timer = setInterval(() => this.#look().catch(failed), workerNodeLimits.lookMs);
  }

  close(): void {
    this.#unwatch();
    clearInterval(this.#timer);
    clearInterval(this.#draining);
    this.#options.sandboxes.thaw();
  }

  /** Pauses running builds; no new job is taken. */
  pause(): void {
    this.#become('paused', 'paused: running builds too, no new job is taken');
  }

  resume(): void {
    clearInterval(this.#draining);
    this.#become('working', 'resumed');
  }

  /** Takes no new job, finishes the builds, waits for the end of their rounds, and stops. */
  drain(): void {
    this.#become('draining', 'draining: takes no new job, and stops when its leases have ended');
    clearInterval(this.#draining);
    this.#draining = setInterval(() => {
      if (this.#options.leases() === 0) this.stop();
    }, workerNodeLimits.drainLookMs);
  }

  stop(): void {
    clearInterval(this.#draining);
    this.#say('stops');
    this.#options.stop();
  }

  /** Returns the limits that a running build could not be held to. @throws LIMITS_INVALID, LIMITS_NOT_ENFORCEABLE; nothing changes */
  limit(changes: KnobChanges): string[] {
    const { cpus, memoryBytes, diskBytes: disk, jobsAtOnce, pids, seconds, ...more } = changes;
    const before = this.#lending.capabilities;
    // As at the start, what may be written follows memory while nobody set it apart.
    const follows = changes.memoryBytes !== undefined && before.diskBytes === before.memoryBytes;
    const diskBytes = disk ?? (follows ? changes.memoryBytes : undefined);
    const lending = given<Lending>(this.#lending, {
      capabilities: given(this.#lending.capabilities, { cpus, memoryBytes, diskBytes }),
      jobsAtOnce,
      pids,
      seconds,
    });
    const rules = given<OperatorRules>(this.#rules, more);
    checkTerms(lending, rules);
    checkHeld(rules, this.#options.sandboxes.abilities);
    checkDisk(lending, this.#options.sandboxes.abilities);
    [this.#lending, this.#rules] = [lending, rules];
    const missed = this.#hold();
    this.#apply();
    const lent = lending.capabilities;
    this.#say(`lends ${counted(lent.cpus, 'cpu')} and ${sizeText(lent.memoryBytes)} of memory from now on`);
    return missed;
  }

  /** Allows a host, or with `withdraw` no more; kept for the next starts. @throws `HOME_UNWRITABLE`. */
  async allow(host: string, withdraw = false): Promise<void> {
    const { hosts } = this.#options;
    await (withdraw ? hosts.withdraw(host) : hosts.allow(host));
    this.#say(`${host} is ${withdraw ? 'no longer allowed' : 'allowed'}`);
    this.#apply();
  }

  /** To be called when a build begins or ends: running builds share what is lent. */
  rebalance(): void {
    this.#hold();
  }

  #hold(): string[] {
    const { sandboxes, bandwidth, builds } = this.#options;
    const running = Math.max(1, builds().length);
    const { upBytes, downBytes } = this.#rules;
    const lent = lentOf(this.#lending, this.#rules);
    const { processor, ioWeight } = lent;
    const refused = sandboxes.cap(capsOf(lent, running));
    const missed = [...refused, ...sandboxes.prioritise({ processor, ioWeight })];
    if (bandwidth.up.perSecond !== upBytes) bandwidth.up.perSecond = upBytes;
    if (bandwidth.down.perSecond !== downBytes) bandwidth.down.perSecond = downBytes;
    return [...new Set(missed)];
  }

  status() {
    const { sandboxes, builds, leases, history, hosts } = this.#options;
    const closed = this.#closed();
    const trouble = this.#options.trouble();
    const log = this.#options.log();
    const open: State = log.isVoid ? 'refusing' : trouble === null ? 'working' : 'cut off';
    const own: State = closed === undefined ? open : 'waiting';
    const using = { memoryBytes: 0, processorSeconds: 0 };
    for (const { memoryBytes, processorSeconds } of sandboxes.usage()) {
      using.memoryBytes += memoryBytes || 0;
      using.processorSeconds += processorSeconds || 0;
    }
    return {
      state: this.#manual === 'working' ? own : this.#manual,
      /** Why no new job is taken; null while jobs are taken. */
      reason: closed ?? (log.isVoid ? 'the log of the project tells two stories' : trouble),
      /** Says how this version is behind the controller's; null where it is not, as far as is known. */
      behind: this.#options.behind(),
      /** A fault of the project's log; null while none is known. */
      log: log.trouble,
      lending: lentOf(this.#lending, this.#rules),
      /** Settings of the operator that have no effect on this host. */
      unheeded: unheeded(this.#rules, sandboxes.abilities),
      builds: builds(),
      fetching: this.#options.fetching(),
      damaged: this.#options.damaged(),
      /** Resources that all of them use together. */
      using,
      /** Leases of rounds that have not ended, those being built included. */
      leases: leases(),
      /** Builds that ended, the newest first. */
      history: history(),
      /** Processors kept busy by other programs; null before the first measurement, and where no limit is set. */
      hostLoad: this.#load,
      hosts: {
        allowed: hosts.list,
        /** The project, or a job that was passed on, names them; they are not allowed. */
        pending: this.#options.pendingHosts(),
        /** Hosts and addresses that have reached a limit of the last hour. */
        spent: hosts.spent,
        /** Since the start. */
        traffic: hosts.gate.traffic,
      },
    };
  }

  #become(manual: 'working' | 'paused' | 'draining', says: string): void {
    this.#manual = manual;
    this.#say(says);
    this.#apply();
  }

  #say(what: string): void {
    this.#options.tell('info', 'operator', what);
  }

  #closed(): string | undefined {
    if (this.#manual === 'paused') return 'paused by its operator';
    if (this.#manual === 'draining') return 'being drained by its operator';
    if (this.#owner.isBusy) return 'busy with other programs';
    return this.#outsideHours ? 'outside the hours of its operator' : undefined;
  }

  #apply(): void {
    const { sandboxes, dispatch } = this.#options;
    if (this.#manual === 'paused' || (this.#owner.isBusy && this.#manual === 'working')) sandboxes.freeze();
    else sandboxes.thaw();
    void dispatch({ kind: 'lending', lending: this.lending });
  }

  #isTime(): boolean {
    const now = new Date();
    return withinHours(this.#rules.hours, now.getHours() * 60 + now.getMinutes());
  }

  async #look(): Promise<void> {
    const before = this.#closed();
    this.#outsideHours = !this.#isTime();
    await this.#lookAtOwner();
    const after = this.#closed();
    if (after === before) return;
    this.#say(after === undefined ? 'takes jobs again' : `takes no job: ${after}`);
    this.#apply();
  }

  async #lookAtOwner(): Promise<void> {
    const { sandboxes } = this.#options;
    const { pauseAboveLoad } = this.#rules;
    if (pauseAboveLoad === undefined) return;
    const times = await processorTimes(sandboxes.processorSeconds());
    if (this.#times !== undefined) {
      this.#load = hostLoad(this.#times, times);
      this.#owner.look(this.#load, pauseAboveLoad);
    }
    this.#times = times;
  }
}

/** The live knobs with their values: what is promised to jobs, and the rules or their defaults. */
export function lentOf({ capabilities, jobsAtOnce, pids, seconds }: Lending, rules: OperatorRules): Lent {
  const values: KnobChanges = { ...rules, ...capabilities, jobsAtOnce, pids, seconds };
  const usual = (knob: (typeof knobList)[number]) => (isPromised(knob.field) ? null : (knob.default ?? null));
  const lent = knobList.filter(isLive).map((knob) => [knob.field, values[knob.field] ?? usual(knob)]);
  return { tiers: [...capabilities.tiers], ...Object.fromEntries(lent) };
}

/** The limits of one of `running` builds, which share what is lent. */
function capsOf(lent: Lent, running: number): Pick<SandboxCaps, CapField> {
  const parts = { each: 1, share: running, 'whole share': running };
  return Object.fromEntries(
    knobList.filter(isLive).flatMap(({ field, cap }) => {
      const value = lent[field];
      if (cap === undefined || typeof value !== 'number') return [];
      const part = value / parts[cap];
      return [[field, cap === 'whole share' ? Math.floor(part) : part]];
    }),
  );
}

/** `old` with the changes: undefined leaves a value as it is, null removes it. */
function given<T extends object>(old: T, changes: { [key in keyof T]?: T[key] | null | undefined }): T {
  const made = Object.entries(changes).filter(([, value]) => value !== undefined);
  const all = Object.entries({ ...old, ...Object.fromEntries(made) });
  return Object.fromEntries(all.filter(([, value]) => value !== null)) as T;
}
