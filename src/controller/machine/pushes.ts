import { limits } from '../../protocol/base/limits.ts';
import { pushWordsIn } from '../../protocol/documents/index.ts';
import type { RunFacts } from './facts.ts';
import { controllerLimits } from './limits.ts';
import { append, newestOf } from './run-lists.ts';

export interface PushPage {
  /** `next` of the page before. */
  before?: number | undefined;
  max: number;
  /** Runs of all pushes of the page together, unless it is one push. */
  runsMax: number;
  /** Whether it is looked for, by its position. */
  matches(run: number): boolean;
}

/**
 * Pushes: runs that were published together, by one operator, for one ref and commit, under the id that the publisher gave the push. A
 * job that is published again begins another push, as does one that comes after `pipelineJobsMax` others; so it is with requests of
 * before, which have no id.
 */
export class Pushes {
  /** In the order of their first runs. */
  readonly #all: number[][] = [];
  /** Pushes that may still grow, with the names of their jobs: the last one of its key each, the newest last. */
  readonly #growing = new Map<string, { push: number; names: Set<string> }>();
  /** Which push a run is of, by the run's position. */
  readonly #ofRun: number[] = [];
  /** By ref, in their order. */
  readonly #byRef = new Map<string, number[]>();

  /** `at`: one more than that of the run before. */
  submitted(at: number, { publisher, request, job: { name } }: RunFacts): void {
    const { ref, commit } = request.payload;
    const { push: id = '' } = pushWordsIn(request.payload);
    const key = JSON.stringify([publisher.payload.operator, ref, commit, id]);
    const last = this.#growing.get(key);
    const isFull = (last?.names.size ?? 0) >= limits.pipelineJobsMax;
    if (last !== undefined && !last.names.has(name) && !isFull) {
      last.names.add(name);
      this.#all[last.push]?.push(at);
      this.#ofRun.push(last.push);
      return;
    }
    const push = this.#all.push([at]) - 1;
    this.#ofRun.push(push);
    append(this.#byRef, ref, push);
    this.#growing.delete(key);
    this.#growing.set(key, { push, names: new Set([name]) });
    const [oldest] = this.#growing.keys();
    if (this.#growing.size > controllerLimits.pushesGrowingMax && oldest !== undefined)
      this.#growing.delete(oldest);
  }

  /** Positions of the runs of a push, the oldest first. */
  runsOf(push: number): readonly number[] {
    return this.#all[push] ?? [];
  }

  /** The same of the push of a run. */
  runsWith(run: number): readonly number[] {
    return this.runsOf(this.#ofRun[run] ?? -1);
  }

  /** The position of the first run of a run's push. */
  firstOf(run: number): number | undefined {
    return this.runsWith(run)[0];
  }

  /**
   * Pushes of these refs, or of all, with a run that matches, the newest first. `next`: where to go on; undefined at the end.
   */
  find(
    refs: readonly string[] | undefined,
    { before, max, runsMax, matches }: PushPage,
  ): { found: number[]; next: number | undefined } {
    const { listLooksMax } = controllerLimits;
    const lists = refs?.map((ref) => this.#byRef.get(ref) ?? []);
    const found: number[] = [];
    let [runs, looks] = [0, 0];
    for (const push of newestOf(lists, before, this.#all.length)) {
      const own = this.runsOf(push);
      const isFull = found.length >= max || (found.length > 0 && runs + own.length > runsMax);
      if (isFull || looks >= listLooksMax) return { found, next: push + 1 };
      looks += own.length;
      if (!own.some(matches)) continue;
      runs += own.length;
      found.push(push);
    }
    return { found, next: undefined };
  }
}
