import { accountOf } from './account.ts';
import type { AccountFacts } from './facts.ts';
import type { RunState } from './states.ts';

/** From the worst on. */
const order: readonly RunState[] = [
  ...(['revoked', 'disputed', 'failed', 'aborted', 'unfinished', 'lost', 'cancelled'] as const),
  ...(['waiting', 'building', 'sealed', 'provisional', 'agreed', 'trusted'] as const),
];

/** The run that stands worst: it says how all of them stand together. Of equals the first; undefined where there is none. */
export function worstOf<Facts extends AccountFacts>(runs: readonly Facts[]): Facts | undefined {
  const rank = (facts: Facts) => order.indexOf(accountOf(facts).state);
  return runs.toSorted((a, b) => rank(a) - rank(b))[0];
}
