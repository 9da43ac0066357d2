import { reportedError } from '../../src/protocol/base/errors.ts';
import { isoTime } from '../../src/protocol/base/time.ts';
import type { VerifiedFacts } from '../../src/protocol/trust/index.ts';
import type { ListedRun } from '../../src/watcher/machine/alarms.ts';
import type { PublishedRun, PublishOrder } from '../../src/watcher/machine/events.ts';
import type { HookMachine, Outcome } from '../../src/watcher/machine/hook-ledger.ts';
import type { WatchMachine } from '../../src/watcher/machine/machine.ts';
import type { Status } from '../../src/watcher/machine/status.ts';
import type { Random } from '../random.ts';
import type { Scheduler } from '../scheduler.ts';

export const repo = 'https://git.example.org/tool.git';
export const pullRef = (pull: number): string => `refs/pull/${pull}/head`;
const commitOf = (n: number): string => n.toString(16).padStart(40, '0');
const jobs = ['build', 'test'];

interface Run {
  run: string;
  name: string;
  order: PublishOrder;
  index: number;
  state: 'building' | 'done' | 'cancelled';
  level: 'trusted' | 'failed' | null;
}

interface OpenPull {
  pull: number;
  title: string;
  author: string;
  base: string;
  labels: string[];
}

/** Git server, forge and controller of a project; each answers late. While `lies` is set they fail, repeat, reorder, drop and invent. */
export class Project {
  readonly tips = new Map([['refs/heads/main', commitOf(1)]]);
  readonly pulls = new Map<number, OpenPull>();
  readonly runs = new Map<string, Run>();
  /** Statuses that the forge shows, by commit and context. */
  readonly shown = new Map<string, Status>();
  lies = false;
  readonly #history: (readonly [string, string][])[] = [];
  readonly #time: Scheduler;
  readonly #random: Random;
  readonly #observe: (seen: Seen) => void;
  #commits = 1;
  #invented = 0;

  constructor(time: Scheduler, random: Random, observe: (seen: Seen) => void) {
    [this.#time, this.#random, this.#observe] = [time, random, observe];
  }

  wait(msMax = 2_000): Promise<void> {
    return new Promise((resolve) => void this.#time.after(this.#random.int(1, msMax), resolve));
  }

  #fails(rate: number): boolean {
    return this.lies && this.#random.chance(rate);
  }

  async #answered(code: string, rate = 0.15): Promise<void> {
    await this.wait();
    if (this.#fails(rate)) throw reportedError(code, 'no');
  }

  push(ref: string): void {
    this.#history.push([...this.tips]);
    this.tips.set(ref, commitOf(++this.#commits));
  }

  pull(pull: number): void {
    this.push(pullRef(pull));
    this.pulls.set(pull, { pull, title: 't', author: 'mallory', base: 'main', labels: [] });
  }

  async refs(): Promise<Map<string, { commit: string; object: string }>> {
    await this.#answered('SOURCE_UNREACHABLE');
    const refs = new Map(
      this.#fails(0.2) && this.#history.length > 0 ? this.#random.pick(this.#history) : this.tips,
    );
    if (this.#fails(0.1)) refs.delete(this.#random.pick([...refs.keys(), 'refs/heads/none']));
    if (this.#fails(0.1))
      refs.set(`refs/heads/release/${++this.#invented}`, commitOf(1_000 + this.#invented));
    this.#observe({ kind: 'refs-shown', refs });
    return new Map([...refs].map(([ref, commit]) => [ref, { commit, object: commit }]));
  }

  async openPulls(): Promise<{ pulls: OpenPull[]; isWhole: boolean; next: number }> {
    await this.#answered('FORGE_UNREACHABLE');
    const all = [...this.pulls.values()];
    if (!this.lies) return { pulls: all, isWhole: true, next: 2 };
    const pulls = this.#random.shuffle(all).filter(() => this.#random.chance(0.8));
    const forged = { pull: 9, title: 'x', author: 'mallory', base: 'main', labels: ['ok'] };
    if (this.#random.chance(0.2)) pulls.push(forged, ...pulls);
    return { pulls, isWhole: this.#random.chance(0.5), next: 2 };
  }

  async isOpen(pull: number): Promise<boolean> {
    await this.#answered('FORGE_UNREACHABLE');
    return this.pulls.has(pull) && !this.#fails(0.2);
  }

  async setStatus({
    commit,
    context,
    ...status
  }: Status & { commit: string; context: string }): Promise<void> {
    // A request on its way arrives before its process is started again.
    await this.wait(400);
    if (this.#fails(0.3)) throw reportedError('FORGE_UNREACHABLE', 'no');
    this.shown.set(`${commit} ${context}`, status);
    this.#observe({ kind: 'status', commit, context, status, project: this });
    if (this.#fails(0.1)) throw reportedError('FORGE_UNREACHABLE', 'it was taken');
  }

  async publish(order: PublishOrder): Promise<{ kind: 'published'; runs: PublishedRun[] }> {
    await this.#answered('CONTROLLER_UNREACHABLE');
    this.#observe({ kind: 'published', order });
    const runs = jobs.map((name) => ({ name, run: `${order.id} ${name}` }));
    for (const { name, run } of runs) if (!this.runs.has(run)) this.#build({ run, name, order });
    if (this.#fails(0.2)) throw reportedError('CONTROLLER_UNREACHABLE', 'it was taken');
    return { kind: 'published', runs };
  }

  #build(of: Pick<Run, 'run' | 'name' | 'order'>): void {
    const run: Run = { ...of, index: this.runs.size, state: 'building', level: null };
    this.runs.set(run.run, run);
    this.#time.after(this.#random.int(5_000, 400_000), () => {
      if (run.state === 'building')
        Object.assign(run, { state: 'done', level: this.#random.chance(0.8) ? 'trusted' : 'failed' });
    });
  }

  async cancel(id: string): Promise<void> {
    await this.#answered('CONTROLLER_UNREACHABLE');
    const run = this.runs.get(id);
    if (run === undefined) throw reportedError('JOB_UNKNOWN', 'no');
    if (run.state !== 'building') throw reportedError('RUN_OVER', 'no');
    run.state = 'cancelled';
  }

  isProven(run: string): boolean {
    return this.runs.get(run)?.level === 'trusted';
  }

  /** Throws where there is no evidence. */
  async evidence(run: string): Promise<void> {
    await this.#answered('CONTROLLER_UNREACHABLE');
    if (!this.isProven(run)) throw reportedError('BUNDLE_NOT_FOUND', 'no');
  }

  /** The newest first, as the controller says. */
  async list(): Promise<ListedRun[]> {
    await this.#answered('CONTROLLER_UNREACHABLE');
    const all = [...this.runs.values()].reverse().map((run) => this.#listed(run));
    return this.#fails(0.3) ? this.#random.shuffle([...all, ...all.slice(0, 1)]) : all;
  }

  #listed({ run, name, order, state, level, index }: Run): ListedRun {
    const said = this.#fails(0.1) ? { state: 'done', level: 'trusted' } : { state, level };
    return {
      run,
      name,
      repo,
      ref: order.ref,
      commit: order.commit,
      job: 'bafyjob',
      submittedAt: index,
      ...said,
      artifact: `bafy ${run}`,
      round: 1,
      policy: { agree: 2, of: 3, cosign: true },
    } as ListedRun;
  }

  async facts(id: string): Promise<VerifiedFacts> {
    await this.evidence(id);
    const run = this.runs.get(id);
    const { order, name = '', index = 0 } = run ?? {};
    return {
      name,
      job: 'bafyjob',
      kind: 'build',
      request: id,
      index,
      repo,
      ref: order?.ref,
      commit: order?.commit,
      artifact: `bafy ${id}`,
      cosigners: ['trusted'],
      place: 'cosigned',
      publisher: 'owner',
      requested: isoTime(Math.floor((order?.at ?? 0) / 1000) * 1000),
    } as unknown as VerifiedFacts;
  }

  /** The command of a hook: it ends well, badly, by a signal, or at its limit. */
  async command(): Promise<Outcome> {
    await this.wait(60_000);
    if (this.#fails(0.1)) await this.wait(600_000);
    if (!this.#fails(0.5)) return { kind: 'exit', code: 0 };
    return this.#random.pick<Outcome>([
      ...[{ kind: 'exit', code: 3 } as const, { kind: 'signal', signal: 'SIGKILL' } as const],
      { kind: 'timeout' },
    ]);
  }
}

/** A happening between the watcher, the hook and their surroundings. */
export type Seen =
  | { kind: 'refs-shown'; refs: ReadonlyMap<string, string> }
  /** A maintainer approves the commit of a pull request. */
  | { kind: 'approved'; ref: string; commit: string }
  /** The controller takes a request. */
  | { kind: 'published'; order: PublishOrder }
  | { kind: 'status'; commit: string; context: string; status: Status; project: Project }
  | { kind: 'executed'; subject: string; project: Project }
  /** The end of the run, after a long time without faults. */
  | { kind: 'ended'; watcher: WatchMachine; hook: HookMachine; project: Project };
