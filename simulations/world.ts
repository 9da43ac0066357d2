import { isOver } from '../src/controller/machine/facts.ts';
import { Controller } from '../src/controller/machine/machine.ts';
import { IdentityProvider } from '../src/idp/machine/machine.ts';
import type { Invite, Role, Signer, Verified } from '../src/protocol/documents/index.ts';
import { Worker } from '../src/worker/machine/machine.ts';
import { AfterRestores } from './after-restores.ts';
import { ControllerNode } from './controller-node.ts';
import { expelLater, Owner, stealKey } from './expulsion.ts';
import { hijack } from './hijacker.ts';
import { IdpNode } from './idp-node.ts';
import { inTurn, type Keys } from './keys.ts';
import { flicker, scheduleMishaps, vanishAfter } from './mishaps.ts';
import { Network } from './network.ts';
import { type Checker, foundBy, type Observation, type Truth, Violation } from './observer.ts';
import { type KeyChange, nonceOf, Paperwork, trustedNames } from './paperwork.ts';
import type { Patches } from './patches.ts';
import type { CrashPoint, Surroundings } from './process.ts';
import { Publisher } from './publisher.ts';
import type { Random } from './random.ts';
import { calm, isIdeal, isQuiet, type Rates } from './rates.ts';
import { Reader } from './reader.ts';
import { type Behaviour, isAttack, type Scenario, type Work } from './scenario.ts';
import { Scheduler } from './scheduler.ts';
import { Stores } from './store-node.ts';
import { timings } from './timings.ts';
import { Trace } from './trace.ts';
import { Wanted } from './wanted.ts';
import { WorkerNode } from './worker-node.ts';

/** Time a machine gets to finish once nothing goes wrong any more: every lease of every round run out in turn. */
const finishMs = 3 * 3600_000;
/** After the faults, time for the members to tell a controller what its copy lacks. */
const standsStillMs = 15 * 60_000;

export type { Patches } from './patches.ts';

export interface WorldOptions {
  scenario: Scenario;
  rates: Rates;
  random: Random;
  keys: Keys;
  checkers: readonly Checker[];
  patches: Patches;
  /** Where the controller dies, beside what the rates bring: at its nth event, counted over all its lives. */
  crash?: { at: number; point: CrashPoint } | undefined;
}

const minuteMs = 60_000;

/** A whole project in one place: controller, workers, publisher, network and clock. */
export class World implements Truth {
  readonly trace = new Trace();
  /** Levels of the verdicts published so far. */
  readonly levels: string[] = [];
  readonly keys: Keys;
  readonly attackers: number;
  readonly trusted: Scenario['trusted'];
  readonly second: boolean;
  readonly stallMsMax: number;
  readonly isIdeal: boolean;
  readonly isQuiet: boolean;
  readonly stores: Stores | undefined;
  readonly wanted: Wanted;
  readonly #time: Scheduler;
  readonly #network: Network;
  readonly #paper: Paperwork;
  /** The keys of the project's start. */
  readonly #first: readonly [Signer, Signer];
  readonly #options: WorldOptions;
  readonly #around: Surroundings;
  readonly #controller: ControllerNode;
  /** Undefined where its key is in the controller's process. */
  readonly #idp: IdpNode | undefined;
  readonly #tickets: Verified<Invite>[] = [];
  readonly #workers: WorkerNode[] = [];
  readonly #people = new Map<string, { person: string; behaviour: Behaviour }>();
  readonly #runs = new Map<string, Work>();
  readonly #grants: { worker: string; raw: string }[] = [];
  #healed = false;
  #vanished = false;
  #owner: Owner | undefined;
  readonly #restores = new AfterRestores({
    controller: () => this.controller,
    isAsking: () => this.#controller.isAsking,
    shown: () => this.#controller.shown(),
    workers: () => this.#workers,
    isTrusted: (id) => this.personOf(id) === 'owner',
    write: (says) => this.trace.write(this.now, 'world', says),
  });
  /** The first invariant that did not hold, or error that nobody caught. */
  #failure: { error: unknown } | undefined;

  constructor(options: WorldOptions) {
    const { random, scenario, patches } = options;
    this.#options = options;
    this.wanted = new Wanted(scenario, () => this.#owner?.logged ?? 0);
    const { keys, settle } = inTurn(options.keys);
    this.keys = keys;
    this.#time = new Scheduler(settle);
    this.trusted = scenario.trusted;
    this.second = scenario.second;
    this.stallMsMax = options.rates.stallMsMax;
    this.isIdeal = isIdeal(scenario, options.rates);
    this.isQuiet = isQuiet(scenario, options.rates);
    const attackers = scenario.operators.filter(({ behaviour }) => isAttack(behaviour)).length;
    // A thief votes as an operator of its own, and as one that it poses as.
    this.attackers = attackers + (scenario.theft === undefined ? 0 : 2);
    this.#paper = new Paperwork(keys, trustedNames(scenario.second), patches.leastWorker);
    this.#first = [this.#paper.controller, this.#paper.idp];
    this.#network = new Network(this.#time, random.fork('network'), calm);
    this.#around = {
      time: this.#time,
      network: this.#network,
      trace: this.trace,
      random,
      keys,
      documents: new Reader(keys.verifier),
      rates: () => this.#network.rates,
      observe: (seen) => this.#observe(seen),
    };
    const grantMs = scenario.grantSeconds * 1000;
    const [, firstIdp] = this.#first;
    if (scenario.idp === 'apart')
      this.#idp = new IdpNode(this.#around, this.#paper, {
        grantMs,
        fresh: () => patches.idp?.(firstIdp.id) ?? new IdentityProvider(firstIdp.id),
      });
    const serves = (artifact: string, from: readonly string[]) =>
      this.#workers.some((worker) => worker.up && from.includes(worker.id) && worker.served.has(artifact));
    if (scenario.stores !== undefined)
      this.stores = new Stores(this.#around, scenario.stores, {
        serves,
        believed: patches.storesBelieved ?? false,
        isController: (peer) => this.#paper.controllers.some(({ id }) => id === peer),
      });
    this.#controller = new ControllerNode(this.#around, this.#paper, {
      timings: { ...timings, grantMs },
      idp: this.#idp,
      listeners: () => this.#workers,
      serves,
      stores: this.stores,
      crash: options.crash,
      forks: patches.forks,
      inquiry: patches.inquiry,
      mayLoseJournal: () => this.#workers.some(({ id, kept }) => this.personOf(id) === 'owner' && kept > 0),
      fresh: () => {
        const [controller, idp] = this.#first;
        return patches.controller?.(controller.id, idp.id) ?? new Controller(controller.id, idp.id);
      },
    });
    this.#controller.plant(patches);
    this.#controller.bundlesBelieved = patches.bundlesBelieved ?? false;
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
  isAttacker(key: string): boolean {
    return isAttack(this.#people.get(key)?.behaviour ?? 'honest');
  }
  builtUnder(lease: string): { key: string; result: string | null } | undefined {
    for (const { built } of this.#workers) if (built.has(lease)) return built.get(lease);
    return undefined;
  }
  readonly workOf = (run: string): Work | undefined => this.#runs.get(run);
  get isShort(): boolean {
    return this.#restores.isShort;
  }
  keptBy(worker: string): number {
    return this.#workers.find(({ id }) => id === worker)?.kept ?? 0;
  }
  readonly logOf = (lease: string): string | undefined => this.#controller.logOf(lease);
  readonly timesOf = (lease: string): string | undefined => this.#controller.timesOf(lease);
  clockIsOff(worker: string): boolean {
    return this.#workers.some(({ id, clockOffMs }) => id === worker && clockOffMs !== 0);
  }
  machineOf(worker: string): Worker | undefined {
    const found = this.#workers.find(({ id }) => id === worker);
    return found?.up === true ? found.machine : undefined;
  }

  readonly #fail = (error: unknown): void => {
    this.#failure ??= { error };
  };

  #observe(seen: Observation): void {
    if (seen.kind === 'published') this.levels.push(seen.verdict.predicate.quorate_verdict.level);
    if (seen.kind === 'handled' && this.trusted === 'vanishes')
      vanishAfter(seen, this.#around, this.#workers, () => {
        this.#vanished = true;
      });
    this.#restores.observe(seen);
    for (const checker of this.#options.checkers) {
      const fail = (error: unknown) => this.#fail(foundBy(checker.invariant, error));
      try {
        checker.observe(seen, this)?.catch(fail);
      } catch (error) {
        fail(error);
      }
    }
  }

  /** Lets time pass up to `until`, or until `done`. Throws the first `Violation`. */
  async #run(until: number, done: () => boolean = () => false): Promise<void> {
    await this.#time.run(until, () => this.#failure !== undefined || done());
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Faults, then healing, then time to finish. Throws the first `Violation`. */
  async run(): Promise<void> {
    const { scenario, rates } = this.#options;
    this.#idp?.start();
    this.#controller.start();
    const publisher = await this.#joinAll();
    this.#network.rates = rates;
    const { line, visits } = this.#options.patches;
    this.#network.line = line;
    const ends = { controller: this.#controller, idp: this.#idp, store: this.stores?.nodes[0] };
    void visits?.({ ...ends, worker: this.#workers[0] }, (...all) => this.#network.dial(...all)).catch(
      this.#fail,
    );
    const healsAt = this.now + scenario.faultsMs;
    const nodes = [this.#controller, ...this.#workers, ...this.#apart];
    const ground = { ...this.#around, rates, nodes, healed: () => this.#healed };
    scheduleMishaps(ground, this.#controller, healsAt);
    this.stores?.stopNowAndThen(healsAt, () => this.#healed);
    for (const work of scenario.works)
      publisher.submitLater(work, {
        signed: (request) => void this.#runs.set(request, work),
        settled: (refusal) => this.wanted.settled(work, refusal),
        refused: (code, expiresAt) => this.#observe({ kind: 'request-refused', code, expiresAt }),
        logs: this.isIdeal ? (run, texts) => this.#observe({ kind: 'logs-told', run, texts }) : undefined,
      });
    const { revokes, theft } = scenario;
    const owner = new Owner(this.#controller, publisher, this.#idp);
    this.#owner = owner;
    if (revokes !== undefined) expelLater(this.#around, this.#paper, revokes, owner);
    const thief = {
      join: (host: string, operator: string, ticket: string) =>
        this.#addWorker(host, operator, 'tampers-alike', { first: ticket, another: async () => ticket }, 0),
      revoke: (revocation: string) => publisher.ask({ kind: 'revoke', revocation }),
    };
    if (theft !== undefined) stealKey(this.#around, this.#paper, theft, { owner, thief });
    for (const { afterMs, replaces } of scenario.charters)
      this.#time.at(this.now + afterMs, () => void this.#signer(replaces).nextCharter(replaces));
    if (this.#idp !== undefined)
      hijack(this.#around, this.#paper, {
        idp: this.#idp,
        controller: this.#controller,
        tickets: this.#tickets,
        scenario,
        over: () => this.#healed,
      });
    await this.#run(healsAt);
    this.#heal();
    const restores = this.#restores;
    await this.#run(this.now + standsStillMs, () => !restores.isStill || restores.stopped !== undefined);
    if (restores.isStill) {
      this.#observe(restores.standStill());
      return this.#run(this.now);
    }
    await this.#run(this.now + finishMs, () => this.#finished());
    // The last messages on their way, streams that broke, receipts that are repeated, bundles that are fetched later.
    await this.#run(this.now + rates.stallMsMax + 3 * minuteMs);
    const honest = this.#workers.filter(({ up, options }) => up && !isAttack(options.behaviour));
    const idle = honest.map((worker) => worker.idle);
    this.#observe({ kind: 'ended', state: this.#controller.machine.state, idle });
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Where the owner signs a charter: on the host of the key that it replaces. */
  #signer(replaces: KeyChange): ControllerNode | IdpNode {
    const ofIdp = replaces === 'idp' || replaces === 'idp at once';
    return ofIdp ? (this.#idp ?? this.#controller) : this.#controller;
  }

  get #apart(): IdpNode[] {
    return this.#idp === undefined ? [] : [this.#idp];
  }

  #finished(): boolean {
    if (!this.#healed || !this.wanted.isSettled) return false;
    const { runs, recalls } = this.#controller.machine.state;
    return recalls.size === 0 && [...runs.values()].every(isOver);
  }

  /** Before anything goes wrong the publisher joins, and all workers but those that come later. */
  async #joinAll(): Promise<Publisher> {
    const { operators, trusted, second } = this.#options.scenario;
    const publisher = Publisher.join(this.#around, this.#paper, this.#controller);
    for (const { name, hosts, behaviour, joinsLate } of operators) {
      const invite = this.#inviting(name, 'worker', { hosts: hosts.length });
      const first = await invite();
      for (const host of hosts)
        this.#addWorker(host, name, behaviour, { first, another: invite }, joinsLate ? minuteMs : 0);
    }
    const key = this.keys.signer('trusted').id;
    const invite = this.#inviting('owner', 'trusted-worker', { key });
    const tickets = { first: await invite(), another: invite };
    const late = trusted === 'late' ? this.#options.random.fork('late').int(minuteMs, 500_000) : 0;
    const behaviour = trusted === 'slow' ? 'slow' : 'honest';
    if (trusted !== 'absent') this.#addWorker('trusted', 'owner', behaviour, tickets, late);
    if (second) {
      const another = this.#inviting('owner', 'trusted-worker', {
        key: this.keys.signer('second').id,
        jti: nonceOf('invite second'),
      });
      this.#addWorker('second', 'owner', 'honest', { first: await another(), another }, 0);
    }
    let membership: Publisher | undefined;
    let failure: { error: unknown } | undefined;
    publisher.then(
      (joined) => {
        membership = joined;
      },
      (error) => {
        failure = { error };
      },
    );
    const early = this.#workers.filter(({ up }) => up);
    await this.#run(
      this.now + minuteMs,
      () => failure !== undefined || (membership !== undefined && early.every(({ ready }) => ready)),
    );
    if (membership === undefined) throw failure?.error ?? new Violation('nobody publishes', 'liveness');
    const outside = early.find(({ ready }) => !ready);
    if (outside !== undefined) throw new Violation(`${outside.name} could not join`, 'liveness');
    return membership;
  }

  /** Makes tickets for one person, by the identity provider of the moment. */
  #inviting(...[person, role, over]: [string, Role, { hosts?: number; key?: string; jti?: string }]) {
    return async () => {
      const held = this.#idp !== undefined;
      const invite = await this.#paper.invite(person, role, this.now, { ...over, held });
      this.#tickets.push(invite);
      return invite.raw;
    };
  }

  #addWorker(
    name: string,
    person: string,
    behaviour: Behaviour,
    tickets: { first: string; another: () => Promise<string> },
    startsAfterMs: number,
  ): void {
    const { patches, scenario } = this.#options;
    const operator = scenario.operators.find(({ hosts }) => hosts.includes(name));
    const worker: WorkerNode = new WorkerNode(this.#around, this.#paper, {
      name,
      behaviour,
      controller: this.#controller,
      others: () => this.#workers.filter((other) => other !== worker),
      invite: tickets.first,
      anotherInvite: tickets.another,
      joined: ({ grant }) => void this.#grants.push({ worker: worker.id, raw: grant }),
      workOf: (job) => {
        const work = scenario.works.find((candidate) => candidate.name === job);
        if (work === undefined) throw new Error(`nobody asked for ${job}`);
        return work;
      },
      foreignGrants: () => this.#grants.filter((one) => one.worker !== worker.id).map(({ raw }) => raw),
      unsigned: operator?.unsigned === true,
      allowsAfterMs: operator?.allowsAfterMs,
      fullDisk: name === 'trusted' && scenario.trusted === 'full-disk',
      fresh: (id) => patches.worker?.(id, name) ?? new Worker(id),
      ports: (ports) => (isAttack(behaviour) ? ports : (patches.workerPorts?.(ports) ?? ports)),
    });
    this.#workers.push(worker);
    this.#people.set(worker.id, { person, behaviour });
    this.trace.name(worker.id, name);
    if (startsAfterMs === 0) worker.start();
    else this.#time.after(startsAfterMs, () => worker.start());
    if (name === 'trusted' && scenario.trusted === 'flaky')
      flicker(worker, { ...this.#around, healed: () => this.#healed });
  }

  #heal(): void {
    this.trace.write(this.now, 'world', 'heals');
    this.#healed = true;
    this.#network.rates = calm;
    this.#network.line = undefined;
    for (const node of [this.#controller, ...this.#workers, ...this.#apart])
      this.#network.partition(node, false);
    for (const node of [...this.#apart, this.#controller]) node.start();
    this.stores?.start();
    for (const worker of this.#workers) {
      const gone = worker.options.behaviour === 'vanishes' && worker.life > 0;
      const lost = worker.name === 'trusted' && this.#vanished;
      if (!gone && !lost && !worker.up) worker.start();
    }
  }
}
