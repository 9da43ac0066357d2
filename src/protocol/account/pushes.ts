import { limits } from '../base/limits.ts';
import { keepNewest } from '../base/maps.ts';

/** The facts by which runs are one push. */
export interface Pushed {
  /** The operator that published it; empty where that is not known. */
  publisher: string;
  ref: string;
  commit: string;
  /** Id that the publisher gave the push; empty where it gave none. */
  push: string;
  /** Of the job. */
  name: string;
}

/**
 * Numbers pushes: runs that were published together, by one operator, for one ref and commit, under the id that the publisher gave the push.
 * A job that is published again begins another push, as does one that comes after `pipelineJobsMax` others; so it is with requests of
 * before, which have no id.
 */
export class PushNumbers {
  /** Pushes that may still grow, with the names of their jobs: the last one of its key each, the newest last. */
  readonly #growing = new Map<string, { push: number; names: Set<string> }>();
  readonly #growingMax: number;
  #count = 0;

  constructor(growingMax: number) {
    this.#growingMax = growingMax;
  }

  /** The number of a run's push, of runs in the order in which they were published: that of the push before, and one more, for a new one. */
  of({ publisher, ref, commit, push: id, name }: Pushed): number {
    const key = JSON.stringify([publisher, ref, commit, id]);
    const last = this.#growing.get(key);
    if (last !== undefined && !last.names.has(name) && last.names.size < limits.pipelineJobsMax) {
      last.names.add(name);
      return last.push;
    }
    const push = this.#count++;
    keepNewest(this.#growing, key, { push, names: new Set([name]) }, this.#growingMax);
    return push;
  }
}

/** Runs by push, both in the order in which they were published. */
export function pushesOf<Run>(runs: readonly Run[], factsOf: (run: Run) => Pushed): Run[][] {
  const numbers = new PushNumbers(runs.length);
  return [...Map.groupBy(runs, (run) => numbers.of(factsOf(run))).values()];
}

/** By ref, the newest run of each job of the commit that was published last; of runs in the order in which they were published, as are those. */
export function branchJobs<Run extends { ref: string; commit: string; name: string }>(
  runs: readonly Run[],
): Map<string, Run[]> {
  const branches = new Map<string, Run[]>();
  for (const [ref, all] of Map.groupBy(runs, (run) => run.ref)) {
    const jobs = new Map<string, Run>();
    for (const run of all.toReversed())
      if (run.commit === all.at(-1)?.commit && !jobs.has(run.name)) jobs.set(run.name, run);
    branches.set(ref, [...jobs.values()].reverse());
  }
  return branches;
}
