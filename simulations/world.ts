import type { Timings } from '../src/core/controller/events.ts';
import { Controller } from '../src/core/controller/machine.ts';
import { isOver } from '../src/core/controller/state.ts';
import type { Grant, Verified } from '../src/core/documents/index.ts';
import { Worker } from '../src/core/worker/machine.ts';
import { ControllerProcess } from './controller-process.ts';
import type { Keys } from './keys.ts';
import { Network } from './network.ts';
import type { Checker, Observation, Truth } from './observer.ts';
import { jobNamed, Paperwork } from './paperwork.ts';
import type { Surroundings } from './process.ts';
import type { Random } from './random.ts';
import { calm, type Rates } from './rates.ts';
import type { Reader } from './reader.ts';
import { type Behaviour, isAttack, type Scenario, type Work } from './scenario.ts';
import { Scheduler } from './scheduler.ts';
import { Trace } from './trace.ts';
import type { ApiDown } from './wire.ts';
import { WorkerProcess } from './worker-process.ts';

const timings: Timings = {
  windowMs: 2_000,
  slotFillMs: 60_000,
  leaseSilenceMs: 30_000,
  detachGraceMs: 10_000,
  leaseOverheadMs: 60_000,
  pinRetryMs: 2_000,
  pinTriesMax: 15,
  widenMs: 2_000,
};

/** Time a machine gets to finish once nothing goes wrong any more: every lease of every round run out in turn. */
export const finishMs = 3 * 3600_000;

/** What a planted bug may change. */
export interface Patches {
  controller?: (id: string, idp: string) => Controller;
  worker?: (id: string, name: string) => Worker;
  journalLast?: boolean;
}

export interface WorldOptions {
  scenario: Scenario;
  rates: Rates;
  random: Random;
  keys: Keys;
  reader: Reader;
  checkers: readonly Checker[];
  patches: Patches;
}

/** A whole project in one place: controller, workers, publisher, network and clock. */
export class World implements Truth {
  readonly trace = new Trace();
  /** Of the verdicts published so far. */
  readonly levels: string[] = [];
  readonly keys: Keys;
  readonly attackers: number;
  readonly trusted: Scenario['trusted'];
  readonly #time = new Scheduler();
  readonly #network: Network;
  readonly #paper: Paperwork;
  readonly #reader: Reader;
  readonly #options: WorldOptions;
  readonly #around: Surroundings;
  readonly #controller: ControllerProcess;
  readonly #workers: WorkerProcess[] = [];
  readonly #people = new Map<string, { person: string; behaviour: Behaviour }>();
  readonly #runs = new Map<string, Work>();
  readonly #accepted = new Set<string>();
  #healed = false;

  constructor(options: WorldOptions) {
    const { random, keys, scenario, patches } = options;
    this.#options = options;
    this.keys = keys;
    this.trusted = scenario.trusted;
    this.attackers = scenario.operators.filter(({ behaviour }) => isAttack(behaviour)).length;
    this.#paper = new Paperwork(keys);
    this.#reader = options.reader;
    this.#network = new Network(this.#time, random.fork('network'), calm);
    this.#around = {
      time: this.#time,
      network: this.#network,
      trace: this.trace,
      random,
      rates: () => this.#network.rates,
    };
    this.#controller = new ControllerProcess(this.#around, this.#paper, {
      timings,
      reader: this.#reader,
      observe: (seen) => this.#observe(seen),
      listeners: () => this.#workers,
      serves: (artifact, from) =>
        this.#workers.some((worker) => worker.up && from.includes(worker.id) && worker.served.has(artifact)),
      fresh: () => {
        const { controller, idp } = this.#paper;
        return patches.controller?.(controller.id, idp.id) ?? new Controller(controller.id, idp.id);
      },
    });
    this.#controller.journalLast = patches.journalLast ?? false;
  }

  get now(): number {
    return this.#time.now;
  }
  get project(): string {
    return this.#paper.project;
  }
  get controller(): string {
    return this.#controller.id;
  }
  personOf(key: string): string {
    return this.#people.get(key)?.person ?? key;
  }
  behaviourOf(key: string): Behaviour {
    return this.#people.get(key)?.behaviour ?? 'honest';
  }
  builtUnder(lease: string): { key: string; result: string } | undefined {
    for (const { built } of this.#workers) if (built.has(lease)) return built.get(lease);
    return undefined;
  }
  workOf(run: string): Work | undefined {
    return this.#runs.get(run);
  }

  async #observe(seen: Observation): Promise<void> {
    if (seen.kind === 'published') this.levels.push(seen.verdict.predicate.quorate_verdict.level);
    for (const checker of this.#options.checkers) await checker.observe(seen, this);
  }

  /** Faults, then healing, then time to finish. Throws the first `Violation`. */
  async run(): Promise<void> {
    const { scenario, rates } = this.#options;
    await this.#controller.start();
    await this.#enrolAll();
    this.#network.rates = rates;
    const healsAt = this.now + scenario.faultsMs;
    this.#schedulePartitions(healsAt);
    for (const work of scenario.works) await this.#submitLater(work);
    await this.#time.run(healsAt);
    await this.#heal();
    const quiet = () => this.#finished();
    await this.#time.run(this.now + finishMs, quiet);
    // Last words on their way, streams that broke, receipts said again.
    await this.#time.run(this.now + 120_000);
    const idle = this.#workers
      .filter(({ up, options }) => up && !isAttack(options.behaviour))
      .map(({ name, holds }) => ({ worker: name, holds }));
    await this.#observe({ kind: 'ended', state: this.#controller.machine.state, idle });
  }

  #finished(): boolean {
    if (!this.#healed || this.#accepted.size < this.#options.scenario.works.length) return false;
    const { runs } = this.#controller.machine.state;
    return [...runs.values()].every(isOver);
  }

  async #enrolAll(): Promise<void> {
    const { operators, trusted } = this.#options.scenario;
    await this.#member('publisher', 'publisher', 'publisher');
    for (const { name, machines, behaviour, joinsLate } of operators) {
      const invite = await this.#paper.invite(name, 'worker', this.now, { machines: machines.length });
      for (const machine of machines) {
        const grant = joinsLate ? undefined : await this.#enrolNow(machine, invite.raw);
        await this.#addWorker(machine, name, behaviour, invite.raw, grant, joinsLate ? 60_000 : 0);
      }
    }
    const key = this.keys.signer('trusted').id;
    const invite = await this.#paper.invite('owner', 'trusted-worker', this.now, { key });
    const grant = await this.#enrolNow('trusted', invite.raw);
    if (trusted === 'absent') return;
    const late = trusted === 'late' ? this.#options.random.fork('late').int(60_000, 500_000) : 0;
    await this.#addWorker(
      'trusted',
      'owner',
      trusted === 'slow' ? 'slow' : 'honest',
      invite.raw,
      grant,
      late,
    );
  }

  async #addWorker(
    name: string,
    person: string,
    behaviour: Behaviour,
    invite: string,
    grant: Verified<Grant> | undefined,
    startsAfterMs: number,
  ): Promise<void> {
    const { patches, scenario } = this.#options;
    const worker = new WorkerProcess(this.#around, this.#paper, {
      name,
      behaviour,
      reader: this.#reader,
      observe: (seen) => this.#observe(seen),
      controller: this.#controller,
      invite,
      grant,
      workOf: (job) => {
        const work = scenario.works.find((candidate) => candidate.name === job);
        if (work === undefined) throw new Error(`nobody asked for ${job}`);
        return work;
      },
      foreignGrants: () => this.#grants.filter(({ sub }) => sub !== worker.id).map(({ raw }) => raw),
      fresh: (id) => patches.worker?.(id, name) ?? new Worker(id),
    });
    this.#workers.push(worker);
    this.#people.set(worker.id, { person, behaviour });
    this.trace.name(worker.id, name);
    if (startsAfterMs === 0) await worker.start();
    else this.#time.after(startsAfterMs, () => worker.start());
    if (name === 'trusted' && scenario.trusted === 'flaky') this.#flicker(worker);
  }

  readonly #grants: { sub: string; raw: string }[] = [];

  async #enrolNow(key: string, invite: string): Promise<Verified<Grant>> {
    const ticket = await this.#reader.message('invite', invite);
    const enrol = await this.#paper.enrol(key, this.now, ticket.payload.jti);
    const reply = await this.#controller.ask((token) => ({ kind: 'enrol', token, enrol, invite: ticket }));
    if (reply?.kind !== 'grant') throw new Error(`${key} was not enrolled`);
    const grant = await this.#paper.grant(reply.grant);
    this.#grants.push({ sub: grant.payload.sub, raw: grant.raw });
    return grant;
  }

  #publisher: Verified<Grant> | undefined;

  async #member(key: string, operator: string, role: 'publisher'): Promise<void> {
    const invite = await this.#paper.invite(operator, role, this.now);
    this.#publisher = await this.#enrolNow(key, invite.raw);
  }

  /** A publisher asks until it is told that the job was taken, however often that is. */
  async #submitLater(work: Work): Promise<void> {
    const { job, jobId } = jobNamed(work.name, {
      limits: { ...jobNamed(work.name).job.limits, seconds: 300 },
    });
    const at = this.now + work.submitAfterMs;
    const request = await this.#paper.request('publisher', { job, jobId }, at, {
      policy: work.policy,
      seconds: work.expiresSeconds,
    });
    this.#runs.set(request.id, work);
    this.trace.name(request.id, work.name);
    const publisher = this.#publisher?.raw ?? '';
    const ask = (): void => {
      if (this.#accepted.has(request.id)) return;
      const end = this.#network.connect(this.#publisherNode, this.#controller, 'api');
      end.listen<ApiDown>(
        (message) => {
          if (message.kind === 'accepted') this.#accepted.add(request.id);
          else this.trace.write(this.now, 'publisher', `${work.name}: ${JSON.stringify(message)}`);
          // Too late is an answer too.
          if (message.kind === 'error' && message.code === 'DOC_EXPIRED') this.#accepted.add(request.id);
          end.close();
        },
        () => this.#time.after(3_000, ask),
      );
      end.send({ kind: 'submit', request: request.raw, publisher, job, jobId });
      this.#time.after(30_000, ask);
    };
    this.#time.at(at, ask);
    const { cancelAfterMs } = work;
    if (cancelAfterMs !== undefined) this.#time.at(at + cancelAfterMs, () => this.#cancel(request.id));
  }

  get #publisherNode() {
    return { name: 'publisher', id: this.keys.signer('publisher').id, up: true, life: 1, accept: () => {} };
  }

  /** Asks once: it may get lost, come too late, or hit in the middle of anything. */
  #cancel(run: string): void {
    const end = this.#network.connect(this.#publisherNode, this.#controller, 'api');
    end.listen(
      () => end.close(),
      () => {},
    );
    end.send({ kind: 'cancel', run });
  }

  #flicker(worker: WorkerProcess): void {
    const random = this.#options.random.fork('flicker');
    const again = (): void => {
      if (this.#healed) return;
      worker.crash('for no reason');
      this.#time.after(random.int(20_000, 90_000), again);
    };
    this.#time.after(random.int(20_000, 90_000), again);
  }

  #schedulePartitions(until: number): void {
    const { rates, random } = this.#options;
    const chance = random.fork('partitions');
    for (let at = this.now; at < until; at += 60_000) {
      if (!chance.chance(rates.partitionPerMinute)) continue;
      const node = chance.pick([this.#controller, ...this.#workers]);
      const from = at + chance.int(0, 59_999);
      this.#time.at(from, () => {
        if (this.#healed) return;
        this.trace.write(this.now, node.name, 'is cut off');
        this.#network.partition(node, true);
      });
      this.#time.at(from + chance.int(1_000, rates.partitionMsMax), () =>
        this.#network.partition(node, false),
      );
    }
  }

  async #heal(): Promise<void> {
    this.trace.write(this.now, 'world', 'heals');
    this.#healed = true;
    this.#network.rates = calm;
    for (const node of [this.#controller, ...this.#workers]) this.#network.partition(node, false);
    await this.#controller.start();
    for (const worker of this.#workers) {
      const gone = worker.options.behaviour === 'vanishes' && worker.life > 0 && !worker.up;
      if (!gone && !worker.up) await worker.start();
    }
  }
}
