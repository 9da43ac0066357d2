import { controllerLimits } from './limits.ts';
import type { EventOf, Transition } from './state.ts';
import { currentRound, tell, unchanged } from './state.ts';

/**
 * A worker said why it takes no slot. Told once per operator and round, of few operators, while a slot is free: whoever
 * asked for the job then knows what it waits for.
 */
export function passed(transition: Transition, { offer, worker, reason }: EventOf<'passed'>): void {
  const { state } = transition;
  const run = state.runs.get(state.offers.get(offer) ?? '');
  const round = run === undefined ? undefined : currentRound(run);
  const known = state.keys.get(worker);
  if (run === undefined || round?.offerId !== offer || known === undefined) return unchanged(transition);
  const waits =
    known.role === 'trusted-worker'
      ? run.trusted.kind === 'free'
      : !round.revealed && round.slots.some((slot) => slot.kind === 'free');
  const { operator } = known;
  if (!waits || round.passed.has(operator) || round.passed.size >= controllerLimits.passesToldMax)
    return unchanged(transition);
  round.passed.add(operator);
  tell(transition, run, { kind: 'passed', round: round.n, operator, worker, reason });
}
