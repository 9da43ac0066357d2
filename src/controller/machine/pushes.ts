import { PushNumbers } from '../../protocol/account/index.ts';
import { addTo } from '../../protocol/base/maps.ts';
import { pushWordsIn } from '../../protocol/documents/index.ts';
import type { RunFacts } from './facts.ts';
import { controllerLimits } from './limits.ts';
import { newestOf } from './run-lists.ts';

export interface PushPage {
  /** `next` of the page before. */
  before?: number | undefined;
  max: number;
  /** Runs of all pushes of the page together, unless it is one push. */
  runsMax: number;
  /** Whether it is looked for, by its position. */
  matches(run: number): boolean;
}

/** Pushes as `PushNumbers` tells them apart, with their runs. */
export class Pushes {
  readonly #numbers = new PushNumbers(controllerLimits.pushesGrowingMax);
  /** In the order of their first runs. */
  readonly #all: number[][] = [];
  /** Which push a run is of, by the run's position. */
  readonly #ofRun: number[] = [];
  /** By ref, in their order. */
  readonly #byRef = new Map<string, number[]>();

  /** `at`: one more than that of the run before. */
  submitted(at: number, { publisher, request, job: { name } }: RunFacts): void {
    const { ref, commit } = request.payload;
    const { push: id = '' } = pushWordsIn(request.payload);
    const push = this.#numbers.of({ publisher: publisher.payload.operator, ref, commit, push: id, name });
    this.#ofRun.push(push);
    const runs = this.#all[push];
    if (runs !== undefined) runs.push(at);
    else {
      this.#all.push([at]);
      addTo(this.#byRef, ref, push);
    }
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
