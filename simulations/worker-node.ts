import { QuorateError, reportedError } from '../src/protocol/base/errors.ts';
import { sandboxProfile } from '../src/protocol/base/sandbox-profile.ts';
import { isoTime } from '../src/protocol/base/time.ts';
import {
  artifactOf,
  type Job,
  type Lease,
  resultIdOf,
  type Verified,
} from '../src/protocol/documents/index.ts';
import { bundleServer } from '../src/protocol/sessions/bundle-exchange.ts';
import { Credentials, type Membership } from '../src/protocol/sessions/credentials.ts';
import { join } from '../src/protocol/sessions/join.ts';
import { keepStreams } from '../src/protocol/sessions/kept-streams.ts';
import type { Accepts, Channel, Dial, ServedProtocol, Signing } from '../src/protocol/sessions/ports.ts';
import { RevocationBook, type StoredRevocations } from '../src/protocol/sessions/revocation-book.ts';
import { knownIn, revocationServer } from '../src/protocol/sessions/revocation-exchange.ts';
import { ownVersion } from '../src/protocol/wire/peer-version.ts';
import type { BuildResult, Lending, WorkerEffect, WorkerEvent } from '../src/worker/machine/events.ts';
import type { Worker } from '../src/worker/machine/machine.ts';
import type { WitnessState } from '../src/worker/sessions/checkpoint-book.ts';
import type { WorkerPorts } from '../src/worker/sessions/ports.ts';
import { WorkerSessions } from '../src/worker/sessions/worker-sessions.ts';
import { tapped } from './adversary.ts';
import { describeWorker } from './describe.ts';
import { sayLog, timesOf } from './logs.ts';
import { controllerAt, type Node, serve } from './network.ts';
import { observedSigner } from './observed-signer.ts';
import type { IdleWorker } from './observer.ts';
import { spoiltInputs, statedBy } from './outcomes.ts';
import { capabilities, jobsAtOnce, nonceOf, type Paperwork, treeCid } from './paperwork.ts';
import { type Life, Process, type Surroundings, whenAlive } from './process.ts';
import type { Random } from './random.ts';
import type { Behaviour, Work } from './scenario.ts';

interface WorkerOptions {
  name: string;
  behaviour: Behaviour;
  controller: Node;
  others: () => readonly (Node & { hear(topic: string, author: string, message: Uint8Array): void })[];
  /** Compact JWS. */
  invite: string;
  /** Another ticket of the owner for the same person, by the identity provider of now. */
  anotherInvite: () => Promise<string>;
  workOf: (job: string) => Work;
  /** Grants of others, for those who try with them. */
  foreignGrants: () => readonly string[];
  joined: (membership: Membership) => void;
  /** Writes of log leaves fail. */
  fullDisk: boolean;
  /** Its receipts cannot be signed. */
  unsigned: boolean;
  /** As of an operator. */
  allowsAfterMs: number | undefined;
  fresh: (id: string) => Worker;
  /** A planted bug: ports that do something else. */
  ports: (ports: WorkerPorts) => WorkerPorts;
}

type WorkerLife = Life<WorkerEvent, WorkerEffect, Worker>;

const joinRetryMs = 2_000;
/** No simulated controller has an HTTP feed; the feed is looked for at this interval. */
const httpFeed = { quietMs: 24 * 3600_000, everyMs: 24 * 3600_000 };
const publishMsMax = 10_000;

/** A worker's process, its builds, and the lies of its operator. */
export class WorkerNode extends Process<WorkerEvent, WorkerEffect, Worker> {
  readonly name: string;
  readonly id: string;
  protected readonly tick: WorkerEvent = { kind: 'tick' };
  readonly options: WorkerOptions;
  /** Results of builds, by lease: what is really so. */
  readonly built = new Map<string, { key: string; result: string | null }>();
  /** Leases that were given to it, in any life. */
  readonly leases = new Map<string, Verified<Lease>>();
  /** On its disk: sealed artifacts by lease, public ones, bundles, leaves of the log, its membership. */
  readonly #sealed = new Map<string, string | null>();
  readonly served = new Set<string>();
  /** By artifact and by run. */
  readonly #bundles = new Map<string, string>();
  readonly #leaves: string[] = [];
  #membership: Membership | undefined;
  #revocations: StoredRevocations | undefined;
  #witnessed: WitnessState | undefined;
  readonly #jobs = new Map<string, Job>();
  readonly #paper: Paperwork;
  readonly #random: Random;
  #sessions: WorkerSessions | undefined;
  #credentials: Credentials | undefined;
  #topics = new Map<string, { accepts: Accepts; handle(data: Uint8Array): void }>();
  #served: readonly ServedProtocol[] = [];
  /** When its operator allows the host of the sources. */
  #allowsAt: number | undefined;

  constructor(around: Surroundings, paper: Paperwork, options: WorkerOptions) {
    super(around, options.name);
    this.name = options.name;
    this.id = around.keys.signer(options.name).id;
    this.options = options;
    this.#paper = paper;
    this.#random = around.random.fork(options.name);
  }

  protected fresh(): Worker {
    return this.options.fresh(this.id);
  }

  protected crashRate(): number {
    return this.#membership === undefined ? 0 : this.around.rates().workerCrashPerEvent;
  }

  /** A machine is a black box: what it shows of each lease it ever had, and when it next wants to be woken. */
  protected snapshot(machine: Worker): string {
    return JSON.stringify({
      building: machine.building,
      next: machine.nextDeadline(),
      leases: [...this.leases.keys()].map((id) => [id, machine.leaseOf(id)?.id, machine.pendingReceipt(id)]),
    });
  }

  protected handled(event: WorkerEvent, effects: readonly WorkerEffect[]): void {
    const { observe } = this.around;
    if (event.kind === 'offer') {
      this.#jobs.set(event.jobId, event.job);
      const known = this.#credentials?.charter.epoch ?? 0;
      observe({ kind: 'considered', worker: this.name, made: event.offer.payload.charter, known });
    }
    observe({ kind: 'worker-handled', worker: this.id, event, effects });
  }

  protected describe(event: WorkerEvent, effects: readonly WorkerEffect[]): string | undefined {
    return describeWorker(event, effects);
  }

  protected perform(effect: WorkerEffect): void {
    this.#sessions?.perform(effect);
  }

  /** True once it has joined and its sessions run. */
  get ready(): boolean {
    return this.#sessions !== undefined;
  }

  /** Its holdings when all is over. */
  get idle(): IdleWorker {
    const { id, name: worker, served } = this;
    const holds = [...this.leases.keys()].filter((lease) => this.machine.leaseOf(lease) !== undefined).length;
    const { controller } = this;
    const epoch = this.#credentials?.charter.epoch ?? 0;
    return { id, worker, holds, served, bundles: new Set(this.#bundles.keys()), epoch, controller };
  }

  /** Promised leaves that it has not found under a checkpoint, as they lie on its disk. */
  get promises(): WitnessState['promises'] {
    return this.#witnessed?.promises ?? [];
  }

  /** Leaves of the log on its disk. */
  get kept(): number {
    return this.#leaves.length;
  }

  /** Size of the largest checkpoint of a log that it has on its disk. */
  sizeSeen(log: string): number {
    const seen = this.#witnessed?.logs.find((one) => one.log === log)?.seen ?? [];
    return Math.max(0, ...seen.map(({ size }) => size));
  }

  /** The controller that it would ask. */
  get controller(): string | undefined {
    return this.#credentials?.membership.controllers[0]?.id;
  }

  accept(protocol: string, channel: Channel): void {
    const served = this.#served.find((one) => one.protocol === protocol);
    if (served === undefined) return channel.abort(new Error(`${protocol} is not served`));
    void serve(served, channel);
  }

  /** A gossiped message arrives. */
  hear(topic: string, author: string, message: Uint8Array): void {
    const subscribed = this.#topics.get(topic);
    if (!this.up || subscribed === undefined) return;
    const accepted = subscribed.accepts(author, message);
    if (accepted === true) subscribed.handle(message);
  }

  protected begin(life: WorkerLife): void {
    this.#topics = new Map();
    void this.#run(life);
  }

  async #run(life: WorkerLife): Promise<void> {
    const { network } = this.around;
    const dial: Dial = async ({ id }, protocol) => {
      const { controller, others } = this.options;
      const other = others().find((one) => one.id === id);
      if (other !== undefined) return network.dial(this, other, protocol);
      // A dial reaches the controller's address; it fails where the key there is another than the one that was dialled.
      if (id === null || id === controller.id) return network.dial(this, controller, protocol);
      throw reportedError('MESH_UNREACHABLE', `${id} is not there`);
    };
    const membership = this.#membership ?? (await this.#join(life, dial));
    const credentials = await Credentials.open(this.signing(), life.clock, membership, async (changed) => {
      if (life.alive()) this.#membership = changed;
    });
    if (life.alive()) this.#credentials = credentials;
    const revocations = await RevocationBook.open(membership.project, this.around.documents.verifier, {
      load: async () => this.#revocations,
      save: async (stored) => {
        if (life.alive()) this.#revocations = stored;
      },
    });
    const ports = this.options.ports(this.#ports(life, dial, credentials, revocations));
    const sessions = new WorkerSessions(ports, httpFeed);
    if (!life.alive()) return;
    this.#sessions = sessions;
    this.#served = [
      revocationServer({ ...knownIn(revocations), ...sessions.known }),
      bundleServer({
        get: async (which) => this.#bundles.get(which),
        size: async (which) => this.#bundles.get(which)?.length,
      }),
    ];
    await sessions.prepare();
    await sessions.start({ kind: 'started', grant: credentials.grant, lending: this.#lending });
    const { allowsAfterMs } = this.options;
    if (allowsAfterMs === undefined) return;
    this.#allowsAt ??= this.around.time.now + allowsAfterMs;
    life.clock.after(Math.max(0, this.#allowsAt - this.around.time.now), () => {
      void this.dispatch(life, { kind: 'lending', lending: this.#lending });
    });
  }

  get #lending(): Lending {
    const { allowsAfterMs } = this.options;
    const isAllowed = this.#allowsAt !== undefined && this.around.time.now >= this.#allowsAt;
    const hosts = allowsAfterMs === undefined ? {} : { hosts: isAllowed ? ['git.example'] : [] };
    return { capabilities, jobsAtOnce, ...hosts };
  }

  /** Enrols, again and again until it works. */
  async #join(life: WorkerLife, dial: Dial): Promise<Membership> {
    const { clock } = life;
    const signing = this.signing();
    let invite = await signing.documents.message('invite', this.options.invite);
    for (;;) {
      const { jti, holder: held } = invite.payload;
      const holder = held === undefined ? undefined : this.#paper.keyOfTicket(jti);
      try {
        const controllers = [controllerAt(this.options.controller)];
        const membership = await join({ dial, signing, clock }, { invite, holder }, controllers);
        this.#membership = membership;
        this.options.joined(membership);
        return membership;
      } catch (error) {
        if (!(error instanceof QuorateError)) throw error;
        await new Promise<void>((resolve) => clock.after(joinRetryMs, resolve));
        if (error.code === 'TICKET_ISSUER_MISMATCH')
          invite = await signing.documents.message('invite', await this.options.anotherInvite());
      }
    }
  }

  #ports(life: WorkerLife, dial: Dial, credentials: Credentials, revocations: RevocationBook): WorkerPorts {
    const { time } = this.around;
    /** Drops writes to disk by a process that has crashed. */
    const alive = <T>(act: () => T | Promise<T>) => whenAlive(life, act);
    const { behaviour } = this.options;
    const { observe } = this.around;
    return {
      signing: this.#observed(life),
      version: ownVersion('1.0.0'),
      clock: life.clock,
      dial: tapped(keepStreams(dial, life.clock), {
        name: this.name,
        behaviour,
        paper: this.#paper,
        documents: this.around.documents,
        random: this.#random,
        jobOf: (lease) => this.#jobOf(lease),
        foreignGrants: this.options.foreignGrants,
        after: (ms, act) => life.clock.after(ms, act),
        leased: (lease) => this.leases.set(lease.id, lease),
        cosigned: (lease, verdict) => observe({ kind: 'cosigned', worker: this.id, lease, verdict }),
      }),
      credentials,
      machine: life.machine,
      dispatch: (event) => this.dispatch(life, event),
      subscribe: (topic, accepts, handle) => {
        if (life.alive()) this.#topics.set(topic, { accepts, handle });
      },
      publish: async (topic, message) => {
        if (!life.alive()) return;
        this.around.network.gossip(this, this.options.others(), (node) => node.hear(topic, this.id, message));
      },
      neighbours: () => this.options.others().flatMap(({ up, id }) => (up ? [id] : [])),
      findPeer: async () => [],
      findMembers: async () => [],
      announce: async () => {},
      httpGet: async (url) => {
        throw reportedError('HTTP_FEED_FAILED', `${url}: there is no such server`);
      },
      lending: this.#lending,
      build: (lease, job) => this.#build(life, lease, job),
      stopBuild: () => {},
      logTimes: timesOf,
      results: {
        publish: (lease) =>
          new Promise((resolve) => {
            // A large result takes its time, in which the process may die.
            life.clock.after(this.#random.int(0, publishMsMax), () => {
              const artifact = this.#sealed.get(lease) ?? null;
              if (artifact !== null && behaviour !== 'serves-nothing') this.served.add(artifact);
              resolve();
            });
          }),
        pin: () => alive(() => {}),
        discard: (lease) => alive(() => void this.#sealed.delete(lease)),
        retain: (leases) =>
          alive(() => {
            for (const lease of this.#sealed.keys()) if (!leases.includes(lease)) this.#sealed.delete(lease);
          }),
        has: async (artifact) => this.served.has(artifact),
      },
      bundles: {
        get: async (which) => this.#bundles.get(which),
        put: ({ run, artifact }, text) =>
          alive(() => {
            for (const name of [run, artifact]) if (name !== null) this.#bundles.set(name, text);
          }),
        artifacts: async () => [...this.#bundles.keys()],
      },
      witnessFile: {
        load: async () => this.#witnessed,
        save: (state) =>
          alive(() => {
            this.#witnessed = state;
          }),
      },
      leafFile: {
        load: async () => [...this.#leaves],
        append: (leaves) =>
          alive(() => {
            if (this.options.fullDisk) throw reportedError('HOME_UNWRITABLE', 'no space left on the device');
            this.#leaves.push(...leaves);
          }),
      },
      revocations,
      tell: (level, kind, says, data) => {
        if (kind === 'host-named' && life.alive())
          observe({ kind, worker: this.id, host: String(data?.host), epoch: Number(data?.epoch) });
        if (kind === 'equivocated' && life.alive())
          for (const { proves } of revocations.equivocations) observe({ kind, worker: this.id, proves });
        if (level === 'warn' && kind !== 'note' && life.alive())
          this.around.trace.write(time.now, this.name, `${kind}: ${says}`);
      },
    };
  }

  /** Signs as ever; each checkpoint that an honest worker signs is observed. */
  #observed(life: WorkerLife): Signing {
    const signing = this.signing();
    const signer = observedSigner(signing.signer, ({ as, size, root }) => {
      const log = this.#credentials?.charter.log ?? '';
      if (as === 'witness' && life.alive())
        this.around.observe({ kind: 'witnessed', worker: this.id, log, size, root });
    });
    return { ...signing, signer };
  }

  /** The job of a lease, from the offers that this worker has seen. */
  #jobOf({ payload }: Verified<Lease>): Job {
    const job = this.#jobs.get(payload.job);
    if (job === undefined) throw new Error('a lease is for an offer that was seen');
    return job;
  }

  #build(life: WorkerLife, lease: string, job: Job): Promise<BuildResult | undefined> {
    const { behaviour } = this.options;
    const { time } = this.around;
    if (behaviour === 'vanishes') {
      life.clock.after(this.#random.int(0, 5_000), () => this.crash('and never comes back', true));
      return new Promise(() => {});
    }
    if (behaviour === 'endless') return new Promise(() => {});
    const ms = behaviour === 'slow' ? this.#random.int(60_000, 500_000) : this.#random.int(2_000, 40_000);
    const { workOf, controller } = this.options;
    // A generator of its own: the log moves no other draw.
    const luck = this.#random.fork(`log of ${lease} ${time.now}`);
    const dial: Dial = (_, protocol) => this.around.network.dial(this, controller, protocol, luck);
    void sayLog({ dial, clock: life.clock }, controllerAt(controller), lease, ms);
    const spoilt = spoiltInputs(job, workOf);
    const stated = statedBy(this.name, behaviour, workOf(job.name), { job, spoilt });
    const { outcome } = stated;
    return new Promise((resolve) => {
      life.clock.after(ms, () => {
        if (life.machine.leaseOf(lease) === undefined) return resolve(undefined);
        const artifact = artifactOf(outcome);
        const sha256 = (behaviour === 'lies-about-files' ? 'ba' : '00').repeat(32);
        const files = artifact === null ? [] : [{ path: 'app', sha256 }];
        this.built.set(lease, { key: this.id, result: resultIdOf(outcome, files) });
        this.#sealed.set(lease, artifact);
        resolve({
          ...stated,
          files,
          log: treeCid(`log of ${lease}`),
          sandbox: {
            tier: this.options.unsigned ? 'name\tspace' : 'namespace',
            profile: sandboxProfile,
            portable: false,
          },
          startedOn: isoTime(time.now - ms),
          finishedOn: isoTime(time.now),
          nonce: nonceOf(`${this.name} ${lease} ${life.n}`),
        });
      });
    });
  }
}
