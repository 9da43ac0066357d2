import {
  artifactOf,
  type Bundle,
  type Claim,
  cosignStatement,
  decodeBundle,
  type Grant,
  type Job,
  type Lease,
  openStatement,
  type Receipt,
  signMessage,
  signStatement,
  type Verified,
} from '../src/core/documents/index.ts';
import { unreachable } from '../src/core/errors.ts';
import { isoTime } from '../src/core/time.ts';
import { witnessCheckpoint } from '../src/core/transparency/index.ts';
import { checkEvidence } from '../src/core/trust/index.ts';
import type { BuildResult, WorkerEffect, WorkerEvent } from '../src/core/worker/events.ts';
import type { Worker } from '../src/core/worker/machine.ts';
import { describeWorker } from './describe.ts';
import { jobOf, liesAbout } from './lies.ts';
import type { End } from './network.ts';
import { capabilities, exited, jobsAtOnce, nonceOf, type Paperwork, treeCid } from './paperwork.ts';
import { Process, type Surroundings } from './process.ts';
import type { Random } from './random.ts';
import { resultOf } from './scenario.ts';
import type { ApiDown, FeedDown, LeaseDown, LeaseUp, OfferNotice } from './wire.ts';
import type { Built, Session, WorkerOptions } from './worker-options.ts';

const heartbeatMs = 8_000;
const pollMs = 30_000;

/** A worker's process: the machine, its streams, its builds, and whatever its operator is up to. */
export class WorkerProcess extends Process<WorkerEvent, WorkerEffect> {
  readonly name: string;
  readonly id: string;
  declare machine: Worker;
  protected readonly tick: WorkerEvent = { kind: 'tick' };
  readonly options: WorkerOptions;
  /** Results on its disk, by lease, and what it serves to everybody. */
  readonly built = new Map<string, Built>();
  readonly served = new Set<string>();
  readonly leases = new Map<string, Verified<Lease>>();
  readonly #paper: Paperwork;
  readonly #random: Random;
  #grant: Verified<Grant> | undefined;
  #feed: End | undefined;
  #sessions = new Map<string, Session>();
  #drafts = new Map<string, Bundle>();

  constructor(around: Surroundings, paper: Paperwork, options: WorkerOptions) {
    super(around, options.name);
    this.name = options.name;
    this.id = paper.keys.signer(options.name).id;
    this.options = options;
    this.#paper = paper;
    this.#grant = options.grant;
    this.#random = around.random.fork(options.name);
    this.machine = options.fresh(this.id);
  }

  protected fresh(): Worker {
    return this.options.fresh(this.id);
  }

  protected async started(): Promise<void> {
    if (this.#grant !== undefined) {
      await this.dispatch({ kind: 'started', grant: this.#grant, lending: { capabilities, jobsAtOnce } });
      if (this.up) this.#connectFeed();
    } else await this.#enrol();
  }

  protected stopped(): void {
    this.#feed = undefined;
    this.#sessions = new Map();
    this.#drafts = new Map();
  }

  protected crashRate(): number {
    return this.around.rates().workerCrashPerEvent;
  }

  /** A machine is a black box: what it shows of each lease it ever had, and when it next wants to be woken. */
  protected snapshot(): string {
    const { machine } = this;
    return JSON.stringify({
      building: machine.building,
      next: machine.nextDeadline(),
      leases: [...this.leases.keys()].map((id) => [id, machine.leaseOf(id)?.id, machine.pendingReceipt(id)]),
    });
  }

  protected async handled(event: WorkerEvent, effects: WorkerEffect[]): Promise<void> {
    await this.options.observe({ kind: 'worker-handled', worker: this.id, event, effects });
  }

  protected async restored(before: string, after: string): Promise<void> {
    await this.options.observe({ kind: 'restarted', who: this.name, before, after, state: undefined });
  }

  protected describe(event: WorkerEvent, effects: WorkerEffect[]): string | undefined {
    return describeWorker(event, effects);
  }

  /** How many leases its machine still holds on to. */
  get holds(): number {
    return [...this.leases.keys()].filter((id) => this.machine.leaseOf(id) !== undefined).length;
  }

  accept(_protocol: string, end: End): void {
    end.close();
  }

  async hear(notice: OfferNotice): Promise<void> {
    if (!this.up || this.#grant === undefined) return;
    const { reader } = this.options;
    const offer = await reader.message('offer', notice.offer);
    if (!this.machine.wants(offer.id)) return;
    const request = await reader.message('request', notice.request);
    const { job, jobId } = notice;
    const entropy = nonceOf(`${this.name} ${offer.id} ${this.around.time.now}`);
    await this.dispatch({ kind: 'offer', offer, request, job, jobId, entropy });
  }

  async #enrol(): Promise<void> {
    const { time, network } = this.around;
    const { reader, controller, invite } = this.options;
    const end = network.connect(this, controller, 'api');
    const ticket = await reader.message('invite', invite);
    const enrol = await this.#paper.enrol(this.name, time.now, ticket.payload.jti);
    end.listen<ApiDown>(
      async (message) => {
        if (message.kind !== 'grant' || this.#grant !== undefined) return;
        this.#grant = await reader.message('grant', message.grant);
        end.close();
        await this.started();
      },
      () => this.#later(2_000, () => (this.#grant === undefined ? this.#enrol() : undefined)),
    );
    end.send({ kind: 'enrol', enrol: enrol.raw, invite });
  }

  #later(ms: number, act: () => Promise<void> | void): void {
    const { life } = this;
    this.around.time.after(ms, () => (this.up && this.life === life ? act() : undefined));
  }

  #connectFeed(): void {
    const { network } = this.around;
    const end = network.connect(this, this.options.controller, 'feed');
    this.#feed = end;
    end.listen<FeedDown>(
      async ({ offers }) => {
        for (const notice of offers) await this.hear(notice);
      },
      () => {
        if (this.#feed !== end) return;
        this.#feed = undefined;
        this.#later(this.#random.int(500, 3_000), () => this.#connectFeed());
      },
    );
    end.send({ kind: 'hello', grant: this.#grant?.raw, capabilities });
    const poll = () => {
      if (this.#feed !== end) return;
      end.send({ kind: 'poll' });
      this.#later(pollMs, poll);
    };
    this.#later(pollMs, poll);
  }

  protected async perform(effect: WorkerEffect): Promise<void> {
    switch (effect.kind) {
      case 'claim':
        return this.#claim(effect.offer, effect.claim);
      case 'build':
        return this.#build(effect.lease, effect.job);
      case 'send-receipt':
        return this.#sendReceipt(effect.lease, effect.receipt);
      case 'resume':
        return this.#open(
          { offer: effect.lease.payload.offer, lease: effect.lease.id, resumes: true },
          { kind: 'resume', lease: effect.lease.raw },
        );
      case 'publish':
        if (effect.artifact !== null && this.options.behaviour !== 'serves-nothing')
          this.served.add(effect.artifact);
        return this.dispatch({ kind: 'published', lease: effect.lease });
      case 'cosign':
        return this.#cosign(effect.lease);
      case 'refuse-cosign': {
        const { code, message } = effect;
        return this.#sessions.get(effect.lease)?.end.send({ kind: 'cosign-refused', code, message });
      }
      case 'poll':
        return this.#feed?.send({ kind: 'poll' });
      case 'stop-build':
      case 'discard':
      case 'note':
        return undefined;
      default:
        return unreachable(effect, 'worker effect');
    }
  }

  async #claim(offer: string, claim: Claim): Promise<void> {
    const signed = await signMessage('claim', claim, this.#paper.keys.signer(this.name));
    const stolen = this.options.behaviour === 'forges' ? this.options.foreignGrants() : [];
    const grant =
      stolen.length > 0 && this.#random.chance(0.5) ? this.#random.pick(stolen) : this.#grant?.raw;
    this.#open(
      { offer, lease: undefined, resumes: false },
      { kind: 'claim', claim: signed.raw, grant: grant ?? '' },
    );
  }

  #open(about: { offer: string; lease: string | undefined; resumes: boolean }, first: LeaseUp): void {
    const end = this.around.network.connect(this, this.options.controller, 'lease');
    const session: Session = { end, ...about };
    end.listen<LeaseDown>(
      (message) => this.#message(session, message),
      () => this.#closed(session),
    );
    end.send(first);
  }

  async #closed({ offer, lease }: Session): Promise<void> {
    if (lease === undefined)
      return this.dispatch({ kind: 'declined', offer, code: 'MESH_LOST', message: 'the stream broke' });
    this.#sessions.delete(lease);
    return this.dispatch({ kind: 'detached', lease });
  }

  async #message(session: Session, message: LeaseDown): Promise<void> {
    const { reader } = this.options;
    const { offer, lease } = session;
    switch (message.kind) {
      case 'standby':
        return undefined;
      case 'reserve':
        return this.dispatch({ kind: 'reserve', offer });
      case 'lease':
        return this.#leased(session, await reader.message('lease', message.lease));
      case 'error': {
        if (this.options.behaviour !== 'honest' && lease !== undefined && !session.resumes) return undefined;
        const { code, message: says } = message;
        session.end.close();
        if (lease === undefined) return this.dispatch({ kind: 'declined', offer, code, message: says });
        return this.dispatch({ kind: session.resumes ? 'released' : 'refused', lease, code, message: says });
      }
      case 'ack':
        if (lease === undefined) return undefined;
        return this.dispatch({ kind: 'acked', lease, ack: await reader.message('ack', message.ack) });
      case 'reveal':
        session.end.close();
        return lease === undefined ? undefined : this.dispatch({ kind: 'revealed', lease });
      case 'release': {
        if (lease === undefined) return undefined;
        session.end.close();
        if (this.options.behaviour === 'stale') this.#comeBackWith(lease);
        const { code, message: says } = message;
        return this.dispatch({ kind: 'released', lease, code, message: says });
      }
      case 'cosign':
        return lease === undefined ? undefined : this.#check(lease, message.bundle, message.leaves);
      default:
        return unreachable(message, 'lease message');
    }
  }

  async #leased(session: Session, lease: Verified<Lease>): Promise<void> {
    session.lease = lease.id;
    this.leases.set(lease.id, lease);
    this.#sessions.set(lease.id, session);
    this.#beat(session);
    await this.dispatch({ kind: 'leased', offer: session.offer, lease });
    const pending = this.up ? this.machine.pendingReceipt(lease.id) : undefined;
    if (pending !== undefined) await this.#sendReceipt(lease.id, pending);
  }

  #beat(session: Session): void {
    this.#later(heartbeatMs, () => {
      const { lease, end } = session;
      if (!end.open || lease === undefined || this.machine.leaseOf(lease) === undefined) return;
      // Two in three of its leases it lets lapse, to come back with a receipt all the same.
      if (this.options.behaviour === 'stale' && this.#random.chance(0.67)) return;
      end.send({ kind: 'heartbeat' });
      this.#beat(session);
    });
  }

  #build(lease: string, job: Job): void {
    const { behaviour } = this.options;
    if (behaviour === 'vanishes') {
      this.#later(this.#random.int(0, 5_000), () => this.crash('and never comes back', true));
      return;
    }
    const ms = behaviour === 'slow' ? this.#random.int(60_000, 500_000) : this.#random.int(2_000, 40_000);
    const outcome = resultOf(this.options.workOf(job.name), behaviour, this.name);
    this.#later(ms, () => {
      if (this.machine.leaseOf(lease) === undefined) return undefined;
      this.built.set(lease, { key: this.id, result: JSON.stringify(outcome) });
      const artifact = artifactOf(outcome);
      const lies = behaviour === 'lies-about-files';
      const result: BuildResult = {
        outcome,
        files: artifact === null ? [] : [{ path: 'app', sha256: (lies ? 'ba' : '00').repeat(32) }],
        log: treeCid(`log of ${lease}`),
        sandbox: { tier: 'namespace', profile: 'quorate-sandbox/1', portable: false },
        startedOn: isoTime(this.around.time.now - ms),
        finishedOn: isoTime(this.around.time.now),
        nonce: nonceOf(`${this.name} ${lease} ${this.life}`),
      };
      return this.dispatch({ kind: 'built', lease, result });
    });
  }

  async #sendReceipt(lease: string, receipt: Receipt): Promise<void> {
    const session = this.#sessions.get(lease);
    if (session === undefined) return;
    const { behaviour } = this.options;
    const signed = await signStatement('receipt', receipt, this.#paper.keys.signer(this.name));
    if (behaviour === 'forges') await this.#forge(session, lease);
    session.end.send({ kind: 'receipt', envelope: signed.raw });
    if (behaviour !== 'repeats') return;
    session.end.send({ kind: 'receipt', envelope: signed.raw });
    session.end.send({ kind: 'receipt', envelope: await this.#another(lease, {}) });
    this.#open(
      { offer: session.offer, lease: undefined, resumes: false },
      { kind: 'receipt', envelope: signed.raw },
    );
  }

  /** A receipt this machine's build never gave. */
  async #another(lease: string, facts: object): Promise<string> {
    const signed = this.leases.get(lease);
    if (signed === undefined) throw new Error('a lease that was given');
    const { job } = jobOf(this.journal, signed);
    const outcome = exited(treeCid(`${job.name} as ${this.name} would like it`));
    return (await this.#paper.receipt(this.name, signed, job, outcome, { facts })).raw;
  }

  async #forge({ end }: Session, lease: string): Promise<void> {
    const { payload } = this.leases.get(lease) ?? {};
    if (payload === undefined) return;
    const facts = this.#random.pick(liesAbout(payload));
    end.send({ kind: 'receipt', envelope: await this.#another(lease, facts) });
  }

  /** The lease is over, and here is a receipt for it all the same. */
  #comeBackWith(lease: string): void {
    const offer = this.leases.get(lease)?.payload.offer ?? '';
    for (const ms of [0, this.#random.int(1_000, 60_000)]) {
      this.#later(ms, async () =>
        this.#open(
          { offer, lease: undefined, resumes: false },
          { kind: 'receipt', envelope: await this.#another(lease, {}) },
        ),
      );
    }
  }

  async #check(lease: string, text: string, leaves: string[]): Promise<void> {
    const { verifier } = this.#paper.keys;
    const bundle = decodeBundle(text);
    const checked = await checkEvidence(bundle, { project: this.#paper.project, leaves }, verifier);
    const { payload } = await openStatement('verdict', bundle.verdict, verifier);
    const { request, outcome, level } = payload.predicate.quorate_verdict;
    const ok = checked.ok && checked.level === level;
    const code = ok ? 'OK' : (checked.code ?? 'COSIGN_LEVEL_MISMATCH');
    this.#drafts.set(lease, bundle);
    await this.dispatch({ kind: 'cosign-checked', lease, request, outcome, ok, code, message: code });
  }

  async #cosign(lease: string): Promise<void> {
    const draft = this.#drafts.get(lease);
    const session = this.#sessions.get(lease);
    if (draft === undefined || session === undefined) return;
    const signer = this.#paper.keys.signer(this.name);
    const signature = await cosignStatement(draft.verdict, signer);
    const { payload } = await openStatement('verdict', draft.verdict, this.#paper.keys.verifier);
    await this.options.observe({ kind: 'cosigned', worker: this.id, lease, verdict: payload });
    const witness = await witnessCheckpoint(
      draft.checkpoint,
      signer,
      Math.floor(this.around.time.now / 1000),
    );
    session.end.send({ kind: 'cosigned', signature, witness });
  }
}
