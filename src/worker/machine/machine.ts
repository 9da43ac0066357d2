import type { Durability, Handled } from '../../protocol/base/durability.ts';
import { unreachable } from '../../protocol/base/errors.ts';
import {
  type Grant,
  idOf,
  type Job,
  type Lease,
  makeReceipt,
  needsOf,
  type Receipt,
  type Verified,
} from '../../protocol/documents/index.ts';
import { hostsWanted, reasonToPassHost, refusedHosts } from '../../protocol/judge/hosts.ts';
import { claimOf, firstSeen } from './claim.ts';
import { cosignOrRefuse, SignedAnswers } from './cosigning.ts';
import type { BuildResult, Lending, SentReceipt, WorkerEffect, WorkerEvent } from './events.ts';
import { isLeaseFor, nonRetryable, reasonToPass, reasonWhenLeasesFull, SlowJobs } from './fit.ts';
import { History } from './history.ts';
import { workerLimits } from './limits.ts';
import {
  type Assignment,
  forgetAnswered,
  type KnownOffer,
  knownFrom,
  type LoggedRound,
  promised,
  roundOf,
} from './state.ts';

type EventOf<K extends WorkerEvent['kind']> = Extract<WorkerEvent, { kind: K }>;

/** Delay before a broken stream is opened again, in ms; shorter than the controller's `detachGraceMs`. */
const resumeMs = 1_000;

/**
 * State and rules of a worker, without I/O. It decides which offers to claim, keeps every result sealed until its round is revealed, repeats
 * a receipt until it is acknowledged, and, as a trusted worker, signs nothing that it did not build, but for one answer from an earlier
 * build to a request.
 *
 * A `Worker` has three kinds of methods:
 *
 * - A. The event handler `handle(event, now)`: returns effects, and how durable the event must be before they are carried out.
 * - B. The timer query `nextDeadline()`: when the next `tick` is due.
 * - C. Getters, which change nothing: `building`, `leases`, `leaseOf`, `pendingReceipt` and the others.
 *
 * Order of calls (`Loop` keeps it): replay the journal with A and drop the effects; handle one `started` event, which resumes leases and
 * drops those whose build ran when the process died; then for each event: A, the journal, its effects, the timer by B.
 */
export class Worker {
  readonly id: string;
  #grant: Verified<Grant> | null = null;
  #lending: Lending | null = null;
  readonly #known = new Map<string, KnownOffer>();
  readonly #assignments = new Map<string, Assignment>();
  readonly #slow = new SlowJobs();
  readonly #answers = new SignedAnswers();
  /** Builds that ended. */
  readonly history = new History();
  readonly #out: WorkerEffect[] = [];
  /** `lazy` events: claims, and leases without a result. */
  #durability: Durability = 'lazy';

  constructor(id: string) {
    this.id = id;
  }

  handle(event: WorkerEvent, now: number): Handled<WorkerEffect> {
    this.#out.length = 0;
    this.#durability = 'lazy';
    this.#dispatch(event, now);
    return { effects: [...this.#out], durability: this.#durability };
  }

  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const { state, claimAt } of this.#known.values())
      if (state === 'waiting') next = Math.min(claimAt, next ?? claimAt);
    for (const { retryAt } of this.#assignments.values())
      if (retryAt !== null) next = Math.min(retryAt, next ?? retryAt);
    return next;
  }

  /** Builds running now, and what they use. */
  get building(): { lease: string; job: Job; slot: Lease['slot'] }[] {
    return [...this.#assignments].flatMap(([lease, { state, job, lease: signed }]) =>
      state === 'building' ? [{ lease, job, slot: signed.payload.slot }] : [],
    );
  }

  /** The hosts, of these, that the operator has not allowed. */
  refused = (hosts: readonly string[]): string[] => refusedHosts(this.#lending?.hosts, hosts);
  /** Hosts that are not allowed, of jobs that were passed on. */
  hostsWanted = (): string[] => hostsWanted(this.#known.values(), this.#lending?.hosts);

  /** Whether this offer is unknown so far. */
  wants(offer: string): boolean {
    return !this.#known.has(offer);
  }

  /** Ids of the leases whose result is still sealed, or whose job is to be built. */
  get leases(): string[] {
    return [...this.#assignments.keys()];
  }

  /** How many of them wait for their round or to be built. */
  get openLeases(): number {
    return this.leases.filter((lease) => this.isOpen(lease)).length;
  }

  isOpen = (lease: string): boolean => (this.#assignments.get(lease)?.state ?? 'revealed') !== 'revealed';

  /** The offer of a lease as it came. */
  offerOf = (lease: string): string | undefined => this.#assignments.get(lease)?.offerRaw;
  /** The lease with this id, unless it is over. */
  leaseOf = (lease: string): Verified<Lease> | undefined => this.#assignments.get(lease)?.lease;

  /** The round that a lease is of, as its leaf has it. */
  roundOf = (lease: string): LoggedRound | undefined => roundOf(this.#assignments.get(lease));

  #dispatch(event: WorkerEvent, now: number): void {
    switch (event.kind) {
      case 'started':
        return this.#started(event, now);
      case 'grant':
        this.#grant = event.grant;
        return;
      case 'lending':
        this.#lending = event.lending;
        this.#startNext();
        return this.#claimPassed(now);
      case 'offer':
        return this.#offer(event, now);
      case 'reserve':
        return this.#reserve(event.offer, now);
      case 'declined':
        return this.#declined(event, now);
      case 'leased':
        return this.#leased(event);
      case 'built':
        return this.#built(event, now);
      case 'acked':
        return this.#acked(event);
      case 'refused':
      case 'released':
        return this.#dropped(event, now);
      case 'failed':
        return this.#failed(event, now);
      case 'revealed':
        return this.#revealed(event.lease);
      case 'published':
        return this.#with(event.lease, (assignment) => {
          if (assignment.state === 'revealed') this.#end(event.lease, assignment);
          this.history.published(event.lease);
          this.#claimPassed(now);
        });
      case 'detached':
        return this.#with(event.lease, (assignment) => {
          if (assignment.state !== 'revealed') assignment.retryAt = now + resumeMs;
        });
      case 'cosign-checked':
        this.#out.push(...cosignOrRefuse(this.#assignments.get(event.lease), event));
        return this.#unchanged();
      case 'answer-checked': {
        const { effect, isNew } = this.#answers.decide(event, now);
        this.#out.push(effect);
        return isNew ? this.#mustSync() : this.#unchanged();
      }
      case 'tick':
        return this.#tick(now);
      default:
        return unreachable(event, 'worker event');
    }
  }

  #with(lease: string, act: (assignment: Assignment) => void): void {
    const assignment = this.#assignments.get(lease);
    if (assignment === undefined) return this.#unchanged();
    act(assignment);
  }

  /** After this event a receipt is signed, or bytes are published or deleted, so it must not be lost. */
  #mustSync(): void {
    this.#durability = 'sync';
  }

  /** The event left the state as it was. */
  #unchanged(): void {
    this.#durability = 'none';
  }

  #started({ grant, lending }: EventOf<'started'>, now: number): void {
    this.#mustSync();
    [this.#grant, this.#lending] = [grant, lending];
    this.#known.clear();
    const says = 'the build was lost when this worker stopped; it claims the job again';
    for (const [lease, assignment] of this.#assignments) {
      assignment.retryAt = null;
      if (assignment.state === 'building') {
        this.#assignments.delete(lease);
        this.history.lost(assignment, now);
        this.#out.push({ kind: 'discard', lease }, { kind: 'note', lease, says });
      } else if (assignment.state === 'revealed') this.#publish(lease, assignment);
      else this.#out.push({ kind: 'resume', lease: assignment.lease });
    }
    this.#startNext();
    this.#out.push({ kind: 'poll' });
  }

  #offer(event: EventOf<'offer'>, now: number): void {
    const { id } = event.offer;
    if (this.#known.has(id) || this.#grant === null || this.#lending === null) return this.#unchanged();
    const leased = [...this.#assignments.values()].some((held) => held.offer === id);
    const known = knownFrom(event, leased ? 'leased' : 'waiting', now);
    const says = firstSeen(known, this.#grant.payload);
    if (says !== undefined) this.#out.push({ kind: 'note', lease: null, says });
    forgetAnswered(this.#known);
    this.#known.set(id, known);
    if (known.state === 'waiting' && known.claimAt <= now) this.#answer(known, now);
  }

  /** Claims, or passes with the reason, so that the claim window need not wait for this worker. */
  #answer(known: KnownOffer, now: number): void {
    const lending = this.#lending;
    if (lending === null) return;
    const pass = this.#reasonToPass(known, lending, now);
    known.state = pass === undefined ? 'claimed' : 'passed';
    const { id: offer, payload } = known.offer;
    const { capabilities } = lending;
    const why = pass === undefined ? {} : { pass };
    const said = { iss: this.id, aud: payload.iss, offer, ...why, capabilities, jti: known.entropy };
    this.#out.push({ kind: 'claim', offer, claim: claimOf(said, now) });
  }

  #reasonToPass(known: KnownOffer, lending: Lending, now: number): string | undefined {
    const { needs } = known.offer.payload;
    if (this.#assignments.size >= workerLimits.leasesHeldMax) return reasonWhenLeasesFull;
    return (
      reasonToPassHost(lending, known.hosts) ??
      this.#slow.reason(known, now) ??
      reasonToPass(needs, known.job.limits, lending, promised(this.#assignments, this.#known))
    );
  }

  /** The claim got no slot: offers that were passed on because of it can be claimed now. */
  #reserve(offer: string, now: number): void {
    const known = this.#known.get(offer);
    if (known?.state !== 'claimed') return this.#unchanged();
    known.state = 'reserve';
    this.#claimPassed(now);
  }

  /** Claims offers that were passed on and fit now. */
  #claimPassed(now: number): void {
    const lending = this.#lending;
    if (lending === null) return;
    for (const known of this.#known.values()) {
      if (known.state !== 'passed') continue;
      if (known.offer.payload.exp * 1000 <= now) known.state = 'done';
      else if (this.#reasonToPass(known, lending, now) === undefined) this.#answer(known, now);
    }
  }

  #declined({ offer, code, again }: EventOf<'declined'>, now: number): void {
    const known = this.#known.get(offer);
    if (known === undefined || known.state === 'leased' || known.state === 'passed') return this.#unchanged();
    if (code === 'CLAIM_ABOVE_SHARE') {
      known.state = 'waiting';
      known.claimAt = now + known.offer.payload.draw.widenMs;
    } else if (code === 'MESH_LOST' || again === true) {
      known.state = 'waiting';
      known.claimAt = now + resumeMs;
    } else if (nonRetryable.has(code) && this.#grant?.payload.role === 'worker') known.state = 'done';
    else this.#known.delete(offer);
    this.#claimPassed(now);
  }

  #leased({ offer, lease }: EventOf<'leased'>): void {
    const known = this.#known.get(offer);
    if (this.#assignments.has(lease.id)) return this.#unchanged();
    if (known === undefined || !isLeaseFor(known, lease, this.id, this.#grant?.payload.role)) {
      this.#out.push({
        kind: 'note',
        lease: lease.id,
        says: 'a lease that does not fit its offer was ignored',
      });
      return this.#unchanged();
    }
    known.state = 'leased';
    const { repo, ref, needs = {}, recipe } = known.request.payload;
    this.#assignments.set(lease.id, {
      lease,
      offer,
      offerRaw: known.offer.raw,
      offerIndex: known.offer.payload.index,
      request: known.request.id,
      job: known.job,
      repo,
      ref,
      reads: { needs, ...(recipe !== undefined && { recipe }) },
      state: 'queued',
      result: null,
      receipt: null,
      retryAt: null,
    });
    this.#startNext();
  }

  /** Starts queued builds in the order of their leases, as far as they fit beside the running ones. */
  #startNext(): void {
    if (this.#lending === null) return;
    // A worker that takes no new jobs still builds what it has a lease for.
    const { closed: _, ...lending } = this.#lending;
    for (const [lease, assignment] of this.#assignments) {
      if (assignment.state !== 'queued') continue;
      const { job, repo, ref, reads } = assignment;
      const running = this.building.map((build) => build.job);
      if (reasonToPass(needsOf(job), job.limits, lending, running) !== undefined) return;
      assignment.state = 'building';
      this.#out.push({ kind: 'build', lease, job, repo, ref, reads });
    }
  }

  #built({ lease, result }: EventOf<'built'>, now: number): void {
    const assignment = this.#assignments.get(lease);
    if (assignment === undefined) this.#out.push({ kind: 'discard', lease });
    // A second result is ignored: one lease yields one receipt.
    if (assignment?.state !== 'building') return this.#unchanged();
    this.#mustSync();
    assignment.state = 'built';
    assignment.result = result;
    assignment.receipt = receiptOf(this.id, assignment.job, assignment.lease, result);
    this.history.built(assignment, result);
    this.#out.push({ kind: 'tell-built', lease, job: assignment.job.name, outcome: result.outcome });
    this.#out.push({ kind: 'send-receipt', lease, ...sentReceipt(assignment.receipt, result) });
    this.#startNext();
    this.#claimPassed(now);
  }

  #acked({ lease, ack }: EventOf<'acked'>): void {
    this.#with(lease, (assignment) => {
      if (assignment.receipt === null) return this.#unchanged();
      const { payload, signer } = ack;
      const own = payload.receipt === idOf(assignment.receipt) && payload.lease === lease;
      if (!own || signer !== assignment.lease.signer) {
        this.#out.push({ kind: 'note', lease, says: 'an acknowledgement of something else was ignored' });
        return this.#unchanged();
      }
      assignment.state = 'acked';
    });
  }

  #revealed(lease: string): void {
    const assignment = this.#assignments.get(lease);
    if (assignment?.state !== 'acked') return this.#unchanged();
    this.#mustSync();
    assignment.state = 'revealed';
    assignment.retryAt = null;
    this.#publish(lease, assignment);
  }

  #publish(lease: string, { result, job }: Assignment): void {
    if (result === null) return;
    const { outcome, log } = result;
    const artifact = outcome.kind === 'exit' ? outcome.artifact : null;
    this.#out.push({ kind: 'publish', lease, artifact, log, ...(job.kind === 'test' && { test: true }) });
  }

  /** A receipt that is acknowledged stands. */
  #failed(event: EventOf<'failed'>, now: number): void {
    const state = this.#assignments.get(event.lease)?.state;
    if (state !== 'building' && state !== 'built') return this.#unchanged();
    this.#out.push({ ...event, kind: 'give-up' });
    this.#dropped(event, now);
  }

  /** The lease is over without a receipt: the build is stopped and its result deleted. */
  #dropped({ lease, code, message }: EventOf<'refused' | 'released' | 'failed'>, now: number): void {
    const assignment = this.#assignments.get(lease);
    if (assignment === undefined || assignment.state === 'revealed') return this.#unchanged();
    this.#mustSync();
    if (assignment.state === 'building') this.#out.push({ kind: 'stop-build', lease });
    this.#out.push({ kind: 'discard', lease });
    this.history.dropped(assignment, code, now);
    const learnt = this.#slow.dropped(assignment, this.#lending, now);
    this.#out.push({ kind: 'note', lease, says: `${code}: ${message}${learnt}` });
    this.#end(lease, assignment);
    this.#known.delete(assignment.offer);
    this.#startNext();
    this.#claimPassed(now);
    // The slot may be offered again; this worker ignored the offer while it held the lease.
    this.#out.push({ kind: 'poll' });
  }

  #end(lease: string, { offer }: Assignment): void {
    this.#assignments.delete(lease);
    const known = this.#known.get(offer);
    if (known !== undefined) known.state = 'done';
    // A trusted worker is asked again once the verdict that it signed is voided.
    if (this.#grant?.payload.role === 'trusted-worker') this.#known.delete(offer);
  }

  #tick(now: number): void {
    for (const known of this.#known.values())
      if (known.state === 'waiting' && known.claimAt <= now) this.#answer(known, now);
    for (const assignment of this.#assignments.values()) {
      const { retryAt, lease } = assignment;
      if (retryAt === null || retryAt > now) continue;
      assignment.retryAt = null;
      this.#out.push({ kind: 'resume', lease });
    }
  }

  /** The receipt to repeat on a resumed stream; undefined once it is acknowledged. */
  pendingReceipt(lease: string): SentReceipt | undefined {
    return this.#receiptIn(lease, 'built');
  }

  /** A receipt that is acknowledged, to repeat where a resumed stream brings no ack. */
  ackedReceipt(lease: string): SentReceipt | undefined {
    return this.#receiptIn(lease, 'acked');
  }

  #receiptIn(lease: string, wanted: Assignment['state']): SentReceipt | undefined {
    const { state, receipt = null, result = null } = this.#assignments.get(lease) ?? {};
    return state === wanted && receipt !== null ? sentReceipt(receipt, result) : undefined;
  }
}

function receiptOf(worker: string, job: Job, { id, payload }: Verified<Lease>, result: BuildResult) {
  const { files, startedOn, finishedOn } = result;
  return makeReceipt({
    worker,
    job,
    files,
    startedOn,
    finishedOn,
    facts: {
      project: payload.project,
      job: payload.job,
      offer: payload.offer,
      lease: id,
      round: payload.round,
      slot: payload.slot,
      fence: payload.fence,
      operator: payload.operator,
      outcome: result.outcome,
      log: result.log,
      sandbox: result.sandbox,
      nonce: result.nonce,
      ...(result.link === undefined ? {} : { link: result.link }),
    },
  });
}

const sentReceipt = (receipt: Receipt, result: BuildResult | null): SentReceipt => ({
  receipt,
  ...(result?.limit !== undefined && { limit: result.limit }),
});
