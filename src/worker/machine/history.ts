import { isoTime } from '../../protocol/base/time.ts';
import type { Outcome } from '../../protocol/documents/index.ts';
import type { BuildResult } from './events.ts';
import { workerLimits } from './limits.ts';
import type { Assignment } from './state.ts';

/** A build that has ended, for the operator of this worker. */
export interface PastBuild {
  job: string;
  repo: string;
  ref: string;
  commit: string;
  /** ISO 8601; null where the lease ended before there was a result. */
  startedOn: string | null;
  /** When the build ended, or else the lease. */
  finishedOn: string;
  /** Null where the lease ended before there was a result. */
  outcome: Outcome | null;
  /** `sealed` until the round ends, then `published`; `dropped` where the lease ended before, with its code; `lost` with the process. */
  fate: 'sealed' | 'published' | 'dropped' | 'lost';
  /** Why it was dropped; null otherwise. */
  code: string | null;
}

/** The builds that ended last, the newest first. Events that are replayed make them anew. */
export class History {
  #past: (PastBuild & { lease: string })[] = [];

  get list(): PastBuild[] {
    return this.#past.map(({ lease: _, ...past }) => ({ ...past }));
  }

  built(assignment: Assignment, { outcome, startedOn, finishedOn }: BuildResult): void {
    this.#add(assignment, { outcome, startedOn, finishedOn, fate: 'sealed', code: null });
  }

  published(lease: string): void {
    this.#change(lease, 'published', null);
  }

  /** The lease ended, at `now` in ms, before its result was published. */
  dropped(assignment: Assignment, code: string, now: number): void {
    if (this.#change(assignment.lease.id, 'dropped', code)) return;
    this.#add(assignment, { ...none, finishedOn: isoTime(now), fate: 'dropped', code });
  }

  /** The process ended while it was built. */
  lost(assignment: Assignment, now: number): void {
    this.#add(assignment, { ...none, finishedOn: isoTime(now), fate: 'lost', code: null });
  }

  #change(lease: string, fate: PastBuild['fate'], code: string | null): boolean {
    const known = this.#past.find((past) => past.lease === lease);
    if (known !== undefined) [known.fate, known.code] = [fate, code];
    return known !== undefined;
  }

  #add({ lease, job, repo, ref }: Assignment, end: Omit<PastBuild, 'job' | 'repo' | 'ref' | 'commit'>): void {
    const { commit } = job.source;
    this.#past = [{ lease: lease.id, job: job.name, repo, ref, commit, ...end }, ...this.#past].slice(
      0,
      workerLimits.historyMax,
    );
  }
}

const none = { startedOn: null, outcome: null } as const;
