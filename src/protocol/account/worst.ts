import { accountOf } from './account.ts';
import type { AccountFacts } from './facts.ts';
import type { RunState } from './states.ts';

/** States, the worst first. */
const order: readonly RunState[] = [
  ...(['revoked', 'disputed', 'differs', 'failed', 'aborted', 'unfinished', 'lost', 'cancelled'] as const),
  ...(['waiting', 'building', 'sealed', 'provisional', 'agreed', 'trusted'] as const),
];

/** The run in the worst state, which is the state of all together; the first of equals, undefined for none. */
export function worstOf<Facts extends AccountFacts>(runs: readonly Facts[]): Facts | undefined {
  const rank = (facts: Facts) => order.indexOf(accountOf(facts).state);
  return runs.toSorted((a, b) => rank(a) - rank(b))[0];
}
