import { type LimitReached, limitReached } from '../../protocol/trust/at-limit.ts';
import type { Run, Transition } from './state.ts';
import { trustIn } from './trust-in.ts';

/** The limit at which workers report that the builds of a run were aborted. */
export function reachedLimit(transition: Transition, run: Run): LimitReached | undefined {
  // Asked at each event of a run.
  if (!run.receipts.some(({ limit }) => limit !== undefined)) return undefined;
  const { trustedKeys, revocations } = trustIn(transition);
  return limitReached(run.request.payload.policy, { reports: run.receipts, trustedKeys }, revocations);
}

/** Operators' builds were aborted at a limit, and the trusted worker builds no more: it came to the same limit, or may not come to it. */
export function endsAtLimit(transition: Transition, run: Run): boolean {
  return run.trusted.kind !== 'leased' && reachedLimit(transition, run) !== undefined;
}
