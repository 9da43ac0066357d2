import { standIn } from '../../../simulations/keys.ts';
import {
  capabilities,
  epochMs,
  jobNamed,
  nonceOf,
  Paperwork,
  seconds,
} from '../../../simulations/paperwork.ts';
import type { Durability } from '../../../src/protocol/base/durability.ts';
import { sandboxProfile } from '../../../src/protocol/base/sandbox-profile.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  type Ack,
  type Grant,
  idOf,
  type Job,
  type Lease,
  type Offer,
  type Outcome,
  type Policy,
  type Request,
  type Role,
  type Slot,
  sha256Hex,
  signMessage,
  type Verified,
} from '../../../src/protocol/documents/index.ts';
import { fullShare } from '../../../src/protocol/trust/draw.ts';
import type { BuildResult, Lending, WorkerEffect, WorkerEvent } from '../../../src/worker/machine/events.ts';
import { Worker } from '../../../src/worker/machine/machine.ts';
import { advanceClock } from '../../protocol/advance-clock.ts';

type Kind<K extends WorkerEffect['kind']> = Extract<WorkerEffect, { kind: K }>;

export interface Offered {
  offer: Verified<Offer>;
  request: Verified<Request>;
  job: Job;
  jobId: string;
}

/** A worker of operator `ada` (or the trusted one) and a clock in the tester's hand. */
export class Bench {
  readonly paper = new Paperwork(standIn);
  readonly name: string;
  readonly role: Role;
  worker: Worker;
  now = epochMs;
  /** Resources that it lent when it started. */
  lending: Lending = { capabilities, jobsAtOnce: 1 };
  readonly journal: { event: WorkerEvent; now: number }[] = [];
  readonly effects: WorkerEffect[] = [];
  /** Durability that the last event was declared to need. */
  durability: Durability = 'none';
  readonly #declared = new Map<WorkerEffect['kind'], Durability>();
  #fences = 0;

  constructor(role: 'worker' | 'trusted-worker' = 'worker') {
    this.role = role;
    this.name = role === 'worker' ? 'ada' : 'trusted';
    this.worker = new Worker(this.id);
  }

  get id(): string {
    return this.paper.keys.signer(this.name).id;
  }

  send(event: WorkerEvent): WorkerEffect[] {
    this.journal.push({ event, now: this.now });
    const { effects, durability } = this.worker.handle(event, this.now);
    this.durability = durability;
    for (const { kind } of effects) this.#declared.set(kind, durability);
    if (durability === 'none') this.journal.pop();
    this.effects.push(...effects);
    return effects;
  }

  /** Lets `ms` pass, with every tick that falls due. */
  drive(ms: number): WorkerEffect[] {
    const from = this.effects.length;
    advanceClock(this, this.worker, ms);
    return this.effects.slice(from);
  }

  grant(over: Partial<Grant> = {}): Promise<Verified<Grant>> {
    const iat = seconds(this.now);
    return this.paper.grant({
      iss: this.paper.idp.id,
      sub: this.id,
      project: this.paper.project,
      operator: this.role === 'worker' ? 'ada' : 'owner',
      role: this.role,
      enrolled: 0,
      jti: nonceOf('grant'),
      iat,
      exp: iat + 3600,
      ...over,
    });
  }

  async start(over: { jobsAtOnce?: number; cpus?: number } = {}): Promise<WorkerEffect[]> {
    const { jobsAtOnce = 1, cpus = capabilities.cpus } = over;
    this.lending = { capabilities: { ...capabilities, cpus }, jobsAtOnce };
    return this.send({
      kind: 'started',
      grant: await this.grant(),
      lending: this.lending,
    });
  }

  /** The process dies and comes back from its journal. */
  restart(): Promise<WorkerEffect[]> {
    this.worker = new Worker(this.id);
    for (const { event, now } of this.journal) this.worker.handle(event, now);
    return this.start();
  }

  async makeOffer(
    name = 'app',
    over: { policy?: Partial<Policy>; job?: Partial<Job>; share?: number; index?: number } & Pick<
      Request,
      'needs' | 'recipe'
    > = {},
  ): Promise<Offered> {
    const work = jobNamed(name, over.job);
    const policy: Policy = { agree: 2, of: 3, cosign: 'required', rounds: 2, ...over.policy };
    const { needs, recipe } = over;
    const reads = { ...(needs && { needs }), ...(recipe && { recipe }) };
    const request = await this.paper.request('publisher', work, this.now, { policy, ...reads });
    const { limits, arch, image } = work.job;
    const iat = seconds(this.now);
    const offer: Offer = {
      iss: this.paper.controller.id,
      project: this.paper.project,
      charter: 1,
      request: request.id,
      job: work.jobId,
      round: 1,
      policy,
      draw: { seed: sha256Hex(toUtf8(`seed of ${name}`)), share: over.share ?? fullShare, widenMs: 1_000 },
      index: over.index ?? 10,
      needs: { arch, image, cpus: limits.cpus, memoryBytes: limits.memoryBytes, diskBytes: limits.diskBytes },
      iat,
      exp: iat + 3600,
    };
    return { offer: await signMessage('offer', offer, this.paper.controller), request, ...work };
  }

  offer(offered: Offered, waitedMs?: number): WorkerEffect[] {
    const entropy = nonceOf('entropy');
    return this.send({ kind: 'offer', ...offered, entropy, ...(waitedMs !== undefined && { waitedMs }) });
  }

  async lease(
    { offer, jobId }: Offered,
    over: Partial<Lease> = {},
    by = 'controller',
  ): Promise<Verified<Lease>> {
    const signer = this.paper.keys.signer(by);
    const iat = seconds(this.now);
    const slot: Slot = this.role === 'worker' ? 0 : 'trusted';
    const lease: Lease = {
      iss: signer.id,
      aud: this.id,
      project: this.paper.project,
      claim: sha256Hex(toUtf8('claim')),
      offer: offer.id,
      job: jobId,
      round: 1,
      operator: this.role === 'worker' ? 'ada' : 'owner',
      slot,
      fence: { epoch: 1, n: ++this.#fences },
      iat,
      exp: iat + 1200,
      ...over,
    };
    return signMessage('lease', lease, signer);
  }

  /** Offer, claim, lease: it builds. */
  async building(
    name = 'app',
    over: Parameters<Bench['makeOffer']>[1] = {},
  ): Promise<{ offered: Offered; lease: Verified<Lease> }> {
    const offered = await this.makeOffer(name, over);
    this.offer(offered);
    const lease = await this.lease(offered);
    this.send({ kind: 'leased', offer: offered.offer.id, lease });
    return { offered, lease };
  }

  built(lease: { id: string }, outcome: Outcome, limit?: BuildResult['limit']): WorkerEffect[] {
    return this.send({
      kind: 'built',
      lease: lease.id,
      result: {
        outcome,
        ...(limit !== undefined && { limit }),
        files: filesBuilt,
        log: null,
        sandbox: { tier: 'namespace', profile: sandboxProfile, portable: false },
        startedOn: '2026-01-01T00:00:00.000Z',
        finishedOn: '2026-01-01T00:00:10.000Z',
        nonce: nonceOf(`build of ${lease.id} at ${this.now}`),
      },
    });
  }

  async ack(lease: Verified<Lease>, over: Partial<Ack> = {}, by = 'controller'): Promise<WorkerEffect[]> {
    const signer = this.paper.keys.signer(by);
    const receipt = this.all('send-receipt').findLast((effect) => effect.lease === lease.id)?.receipt;
    const ack: Ack = {
      iss: signer.id,
      aud: this.id,
      lease: lease.id,
      receipt: idOf(receipt),
      index: 12,
      iat: seconds(this.now),
      ...over,
    };
    return this.send({ kind: 'acked', lease: lease.id, ack: await signMessage('ack', ack, signer) });
  }

  /** Durability that the last event with such an effect was declared to need. */
  durabilityOf(effect: WorkerEffect['kind']): Durability | undefined {
    return this.#declared.get(effect);
  }

  all<K extends WorkerEffect['kind']>(kind: K): Kind<K>[] {
    return this.effects.filter((effect): effect is Kind<K> => effect.kind === kind);
  }
}

/** The files of each tree that a bench builds. */
export const filesBuilt = [{ path: 'app', sha256: 'a'.repeat(64) }];

export const kinds = (effects: readonly WorkerEffect[]) => effects.map(({ kind }) => kind);

export async function started(
  role: 'worker' | 'trusted-worker' = 'worker',
  over: { jobsAtOnce?: number; cpus?: number } = {},
) {
  const bench = new Bench(role);
  await bench.start(over);
  return bench;
}
