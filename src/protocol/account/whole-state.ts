import { accountOf } from './account.ts';
import type { AccountFacts, RunState } from './states.ts';

/** States, the worst first. */
const order: readonly RunState[] = [
  ...(['revoked', 'disputed', 'differs', 'failed', 'aborted', 'unfinished', 'lost', 'cancelled'] as const),
  ...(['waiting', 'building', 'sealed', 'provisional', 'agreed', 'trusted'] as const),
];

/** Where a state stands among all of them: 0 is the worst. */
export const rankOf = (state: RunState): number => order.indexOf(state);

/** States of which somebody has to mend something before there is a result. */
export const isBad = (state: RunState): boolean => rankOf(state) < rankOf('cancelled');

/** The run in the worst state, which is the state of all together; the first of equals, undefined for none. */
export function worstOf<Facts extends AccountFacts>(runs: readonly Facts[]): Facts | undefined {
  const ranks = runs.map((facts) => rankOf(accountOf(facts).state));
  return runs[ranks.indexOf(Math.min(...ranks))];
}

/** The less, the sooner somebody should look: an alarm, then the worst state of some runs; none of them is the last. */
export function attention(runs: readonly AccountFacts[]): number {
  const accounts = runs.map(accountOf);
  if (accounts.some(({ alarm }) => alarm)) return -1;
  return Math.min(order.length, ...accounts.map(({ state }) => rankOf(state)));
}

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
