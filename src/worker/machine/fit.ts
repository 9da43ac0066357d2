import { limits } from '../../protocol/base/limits.ts';
import { keepNewest } from '../../protocol/base/maps.ts';
import { counted } from '../../protocol/base/quantity.ts';
import {
  type Capabilities,
  isTrustedSlot,
  type Job,
  type Lease,
  type Offer,
  type Role,
  type Verified,
} from '../../protocol/documents/index.ts';
import { lackOf } from '../../protocol/judge/index.ts';
import type { Lending } from './events.ts';
import { workerLimits } from './limits.ts';
import type { Assignment, KnownOffer } from './state.ts';

/** Tiers that can build on the host's own system; a virtual machine needs an image. */
const hostTiers: ReadonlySet<Capabilities['tiers'][number]> = new Set(['namespace', 'gvisor']);

/** Reason to pass on an offer with these needs, given what is lent and which jobs run; undefined where it fits. */
export function reasonToPass(
  needs: Offer['needs'],
  { pids, seconds }: Pick<Job['limits'], 'pids' | 'seconds'>,
  lending: Lending,
  running: readonly Job[],
): string | undefined {
  const { capabilities, jobsAtOnce, closed } = lending;
  const { pids: pidsLent = Number.POSITIVE_INFINITY, seconds: secondsLent = Number.POSITIVE_INFINITY } =
    lending;
  const left = (all: number, of: (job: Job) => number) => running.reduce((rest, job) => rest - of(job), all);
  const lack = lackOf(needs, capabilities);
  if (lack !== undefined) return lack;
  if (needs.image === 'host' && !capabilities.tiers.some((tier) => hostTiers.has(tier)))
    return `this worker runs nothing on its own system (${capabilities.tiers.join(', ')})`;
  if (pids > pidsLent) return `the job wants ${pids} processes; this host lends ${pidsLent}`;
  if (seconds > secondsLent) return `the job may take ${seconds} s; this host lends ${secondsLent} s`;
  if (closed !== undefined) return closed;
  if (running.length >= jobsAtOnce) return `busy with ${counted(running.length, 'job')}`;
  if (needs.cpus > left(capabilities.cpus, (job) => job.limits.cpus)) return 'busy: not enough cpus free';
  if (needs.memoryBytes > left(capabilities.memoryBytes, (job) => job.limits.memoryBytes))
    return 'busy: not enough memory free';
  if (needs.diskBytes > left(capabilities.diskBytes, (job) => job.limits.diskBytes))
    return 'busy: not enough disk free';
  if (pids > left(pidsLent, (job) => job.limits.pids)) return 'busy: not enough processes free';
  return undefined;
}

/** Codes with which a claim is declined for good. (The trusted worker's slot may become free again.) */
export const nonRetryable: ReadonlySet<string> = new Set([
  'OFFER_CLOSED',
  'CLAIM_NOT_FRESH',
  'CLAIM_SLOT_LOST',
  'CLAIM_TOO_NEW',
  'CLAIM_UNFIT',
]);

/** States of an offer in which a lease for it is accepted. */
const awaitingLease: ReadonlySet<KnownOffer['state']> = new Set(['claimed', 'reserve']);

/** Whether a lease answers this worker's claim: same offer, job and controller, this worker's key and kind of slot. */
export function isLeaseFor(
  { offer, jobId, state }: KnownOffer,
  { payload }: Verified<Lease>,
  worker: string,
  role: Role | undefined,
): boolean {
  return (
    awaitingLease.has(state) &&
    payload.aud === worker &&
    payload.offer === offer.id &&
    payload.job === jobId &&
    payload.iss === offer.payload.iss &&
    isTrustedSlot(payload.slot) === (role === 'trusted-worker')
  );
}

/** Sealed results take disk space until their round ends, so the number of leases is bounded. */
export const reasonWhenLeasesFull = `busy: this host waits for the rounds of ${workerLimits.leasesHeldMax} jobs already`;

/**
 * Jobs that a worker with an emulated virtual machine was still building when their lease ended. How long a job takes is not
 * known before, so the first lease is lost; for `slowJobSeconds` after that the worker passes on the job (ADR 0020).
 */
export class SlowJobs {
  /** When the worker claims the job again (ms since the epoch), by repository and name. */
  readonly #until = new Map<string, number>();

  /** A lease ended early. Returns an addition to the operator's message. */
  dropped({ state, lease, repo, job }: Assignment, lending: Lending | null, now: number): string {
    if (state !== 'building' || job.image === 'host' || lending?.capabilities.tiers[0] !== 'vm-emulated')
      return '';
    const { slot, exp } = lease.payload;
    const early = now < (exp - limits.clockSkewSeconds) * 1000;
    // There is no other trusted worker to leave it to; and a paused build is not slow.
    if (early || isTrustedSlot(slot) || lending.closed !== undefined) return '';
    const key = keyOf(repo, job.name);
    keepNewest(this.#until, key, now + workerLimits.slowJobSeconds * 1000, workerLimits.slowJobsMax);
    return `; this host emulates and is too slow for ${job.name}, which it leaves to others for a day`;
  }

  /** Reason to pass on this offer; undefined where there is none. */
  reason({ request, job }: KnownOffer, now: number): string | undefined {
    const until = this.#until.get(keyOf(request.payload.repo, job.name));
    // One from further ahead was set under a wrong clock.
    const latest = now + workerLimits.slowJobSeconds * 1000;
    if (until === undefined || until <= now || until > latest) return undefined;
    return `this host emulates and is too slow: it was still building ${job.name} when its lease ended`;
  }
}

const keyOf = (repo: string, name: string): string => JSON.stringify([repo, name]);
