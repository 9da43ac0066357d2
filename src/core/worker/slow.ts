import { isTrustedSlot } from '../documents/index.ts';
import { limits } from '../limits.ts';
import type { Lending } from './events.ts';
import { workerLimits } from './limits.ts';
import type { Assignment, Known } from './state.ts';

/**
 * Jobs that an emulated machine was still at when their lease ended. What a job takes nobody knows before: its limit says only
 * when it is stuck. So the first of them is lost, and until it is worth another try the next are left to others (ADR 0020).
 */
export class SlowJobs {
  /** Until when, by repository and name. */
  readonly #until = new Map<string, number>();

  /** A lease was taken back. Returns what to tell the operator besides. */
  dropped({ state, lease, repo, job }: Assignment, lending: Lending | null, now: number): string {
    if (state !== 'building' || job.image === 'host' || lending?.capabilities.tiers[0] !== 'vm-emulated')
      return '';
    const { slot, exp } = lease.payload;
    const early = now < (exp - limits.clockSkewSeconds) * 1000;
    // A trusted worker has nobody to leave it to; and what stood still for its owner's sake was not slow.
    if (early || isTrustedSlot(slot) || lending.closed !== undefined) return '';
    const key = keyOf(repo, job.name);
    this.#until.delete(key);
    if (this.#until.size >= workerLimits.slowJobsMax) this.#forgetOldest();
    this.#until.set(key, now + workerLimits.slowJobSeconds * 1000);
    return `; this machine emulates and is too slow for ${job.name}, which it leaves to others for a day`;
  }

  /** Why an offer is passed on for this. */
  reason({ request, job }: Known, now: number): string | undefined {
    const until = this.#until.get(keyOf(request.payload.repo, job.name));
    if (until === undefined || until <= now) return undefined;
    return `this machine emulates and is too slow: it was still building ${job.name} when its lease ended`;
  }

  #forgetOldest(): void {
    for (const key of this.#until.keys()) {
      this.#until.delete(key);
      return;
    }
  }
}

const keyOf = (repo: string, name: string): string => JSON.stringify([repo, name]);
