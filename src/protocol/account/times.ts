import type { Progress } from '../wire/progress.ts';

/** One event of a run, and when the controller took it, ms since the epoch. */
export interface Told {
  readonly at: number;
  readonly progress: Progress;
}

/** A lease of a run: who builds, and how long that took. Nothing of a result. */
export interface BuildTime {
  round: number;
  slot: number | 'trusted';
  operator: string;
  worker: string;
  startedAt: number;
  /** From the lease to the receipt, or to its loss, or to the end of the run; undefined while it builds. */
  ms?: number;
  end?: 'delivered' | 'lost';
}

/** Builds of a run, in the order of their leases. A run that is built again has those of the last time only. */
export function buildTimes(history: readonly Told[]): BuildTime[] {
  let builds: BuildTime[] = [];
  for (const { at, progress } of history) {
    switch (progress.kind) {
      case 'inputs':
      case 'reopened':
        builds = [];
        break;
      case 'leased': {
        const { round, slot, operator, worker } = progress;
        builds.push({ round, slot, operator, worker, startedAt: at });
        break;
      }
      case 'delivered':
      case 'lost': {
        const { slot, worker, kind } = progress;
        // The trusted worker may build for one round and deliver in the next.
        const build = builds.findLast((one) => one.slot === slot && one.worker === worker);
        if (build !== undefined && build.end === undefined)
          Object.assign(build, { ms: msBetween(build.startedAt, at), end: kind });
        break;
      }
      case 'cancelled':
        for (const build of builds) build.ms ??= msBetween(build.startedAt, at);
    }
  }
  return builds;
}

/** A clock may have been set back. */
const msBetween = (from: number, to: number): number => Math.max(0, to - from);

/** The times of a run, as members of its summary. */
export function runTimes(
  { history, submittedAt }: { history: readonly Told[]; submittedAt: number },
  { over }: { over: boolean },
): { startedAt?: number; tookMs?: number; doneMs?: number } {
  const builds = buildTimes(history);
  const startedAt = builds[0]?.startedAt;
  const isBuilding = !over && builds.some(({ ms }) => ms === undefined);
  const last = Math.max(...builds.map((build) => build.startedAt + (build.ms ?? 0)));
  const end = over
    ? history.findLast(({ progress: { kind } }) => kind === 'verdict' || kind === 'cancelled')
    : undefined;
  return {
    ...(startedAt !== undefined && { startedAt }),
    ...(startedAt !== undefined && !isBuilding && { tookMs: msBetween(startedAt, last) }),
    ...(end !== undefined && { doneMs: msBetween(submittedAt, end.at) }),
  };
}
