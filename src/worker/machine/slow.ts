import { limits } from '../../protocol/base/limits.ts';
import { isTrustedSlot } from '../../protocol/documents/index.ts';
import type { Lending } from './events.ts';
import { workerLimits } from './limits.ts';
import type { Assignment, Known } from './state.ts';

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
    this.#until.delete(key);
    if (this.#until.size >= workerLimits.slowJobsMax) this.#forgetOldest();
    this.#until.set(key, now + workerLimits.slowJobSeconds * 1000);
    return `; this host emulates and is too slow for ${job.name}, which it leaves to others for a day`;
  }

  /** Reason to pass on this offer; undefined where there is none. */
  reason({ request, job }: Known, now: number): string | undefined {
    const until = this.#until.get(keyOf(request.payload.repo, job.name));
    // One from further ahead was set under a wrong clock.
    const latest = now + workerLimits.slowJobSeconds * 1000;
    if (until === undefined || until <= now || until > latest) return undefined;
    return `this host emulates and is too slow: it was still building ${job.name} when its lease ended`;
  }

  #forgetOldest(): void {
    for (const key of this.#until.keys()) {
      this.#until.delete(key);
      return;
    }
  }
}

const keyOf = (repo: string, name: string): string => JSON.stringify([repo, name]);
