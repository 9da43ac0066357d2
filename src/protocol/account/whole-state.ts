import { type AccountFacts, accountOf, type RunState, worstOf } from './index.ts';
/** One word for several jobs: `pending` while more may come of one of them, `none` where there is none. */
export type WholeState =
  | Exclude<RunState, 'waiting' | 'building' | 'sealed' | 'provisional'>
  | 'pending'
  | 'none';

/** The worst of some runs; undefined stands for one of which nothing is known yet. */
export function stateOfAll(runs: readonly (AccountFacts | undefined)[]): WholeState {
  const known = runs.flatMap((run) => run ?? []);
  const worst = worstOf(known);
  const state = worst === undefined ? 'pending' : accountOf(worst).state;
  switch (state) {
    case 'waiting':
    case 'building':
    case 'sealed':
    case 'provisional':
      return 'pending';
    case 'agreed':
    case 'trusted':
      return known.length < runs.length ? 'pending' : state;
    default:
      return state;
  }
}
