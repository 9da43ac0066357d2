import { accountOf } from '../../protocol/account/index.ts';
import { addTo } from '../../protocol/base/maps.ts';
import { limitText } from '../../protocol/judge/index.ts';
import type { RunFacts } from './facts.ts';
import { controllerLimits } from './limits.ts';

/** States by which lists are filtered: final ones, and `open`. Those of open runs depend on who is connected, and are not indexed. */
export const listStates = [
  ...(['open', 'trusted', 'agreed', 'failed', 'aborted', 'disputed', 'unfinished'] as const),
  ...(['cancelled', 'revoked'] as const),
] as const;
export type ListState = (typeof listStates)[number];

export function listStateOf({ phase, revoked }: RunFacts): ListState {
  const published = phase.kind === 'done' ? phase.published : undefined;
  const { state } = accountOf({
    state: phase.kind,
    level: published?.verdict.level ?? null,
    reason: published?.ending ?? undefined,
    limit: published?.limit && limitText(published.limit),
    revoked: revoked === null ? undefined : true,
  });
  return listStates.find((one) => one === state) ?? 'open';
}

export interface RunFilter {
  /** Full names, of which it has one. */
  refs?: readonly string[] | undefined;
  name?: string | undefined;
  listState?: ListState | undefined;
}

/** Positions of runs by ref, name and state, as submitted. A page looks at its own runs, with several filters at `listLooksMax` at most. */
export class RunLists {
  readonly #byRef = new Map<string, number[]>();
  readonly #byName = new Map<string, number[]>();
  readonly #byStanding = new Map<ListState, number[]>();
  /** By position. */
  readonly #listStates: ListState[] = [];
  /** The refs that runs were submitted for last, the newest last. */
  readonly #recentRefs: string[] = [];

  submitted(at: number, run: RunFacts): void {
    const { ref } = run.request.payload;
    addTo(this.#byRef, ref, at);
    addTo(this.#byName, run.job.name, at);
    const known = this.#recentRefs.indexOf(ref);
    if (known !== -1) this.#recentRefs.splice(known, 1);
    this.#recentRefs.push(ref);
    if (this.#recentRefs.length > controllerLimits.recentRefsMax) this.#recentRefs.shift();
    this.refile(at, run);
  }

  /** The state under which a run is filed. */
  stateOf(at: number): ListState | undefined {
    return this.#listStates[at];
  }

  /** Files a run under its present state. */
  refile(at: number, run: RunFacts, listState = listStateOf(run)): void {
    const before = this.#listStates[at];
    if (before === listState) return;
    if (before !== undefined) remove(this.#byStanding.get(before) ?? [], at);
    this.#listStates[at] = listState;
    insert(this.#byStanding, listState, at);
  }

  /** The newest first, at most `controllerLimits.recentRefsMax`. */
  recentRefs(): string[] {
    return this.#recentRefs.toReversed();
  }

  /** Whether something was published for a ref of this full name. */
  has(ref: string): boolean {
    return this.#byRef.has(ref);
  }

  countOf(listState: ListState): number {
    return this.#byStanding.get(listState)?.length ?? 0;
  }

  /** Positions below `before` that match, the newest first, until `max` are found. `next`: where to go on; undefined at the end. */
  find(
    { refs, name, listState }: RunFilter,
    page: { before: number; max: number; size: number; matches(at: number): boolean },
  ): { found: number[]; next: number | undefined } {
    const { before, max, size, matches } = page;
    const byFilter = [
      refs?.map((ref) => this.#byRef.get(ref) ?? []),
      name !== undefined && [this.#byName.get(name) ?? []],
      listState !== undefined && [this.#byStanding.get(listState) ?? []],
    ].filter((lists) => lists !== undefined && lists !== false);
    const lengthOf = (lists: readonly (readonly number[])[]) =>
      lists.reduce((sum, { length }) => sum + length, 0);
    const shortest = byFilter.sort((a, b) => lengthOf(a) - lengthOf(b))[0];
    const found: number[] = [];
    let looks = 0;
    for (const at of newestOf(shortest, before, size)) {
      if (found.length >= max || looks >= controllerLimits.listLooksMax) return { found, next: at + 1 };
      looks++;
      if (matches(at)) found.push(at);
    }
    return { found, next: undefined };
  }
}

/** The numbers below `before` in sorted lists, the greatest first; without lists all that are below `size`. */
export function* newestOf(
  lists: readonly (readonly number[])[] | undefined,
  before = Number.POSITIVE_INFINITY,
  size = 0,
): Generator<number> {
  if (lists === undefined) {
    for (let at = Math.min(before, size) - 1; at >= 0; at--) yield at;
    return;
  }
  const rests = lists.map((list) => ({ list, left: firstNotBelow(list, before) }));
  const last = ({ list, left }: (typeof rests)[number]) => list[left - 1] ?? -1;
  for (;;) {
    const next = rests.sort((a, b) => last(b) - last(a))[0];
    if (next === undefined || next.left === 0) return;
    yield last(next);
    next.left--;
  }
}

function insert<Key>(lists: Map<Key, number[]>, key: Key, at: number): void {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  // Most runs end soon after they were submitted, so little is moved.
  list.splice(firstNotBelow(list, at), 0, at);
}

function remove(list: number[], at: number): void {
  const index = firstNotBelow(list, at);
  if (list[index] === at) list.splice(index, 1);
}

const firstNotBelow = (list: readonly number[], at: number): number => lowerBound(list, (one) => one < at);

/** Index of the first item of a sorted list that is not before a place. */
export function lowerBound<T>(list: readonly T[], isBefore: (item: T) => boolean): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(list[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
