import { precedes } from './log-order.ts';
import type { Present } from './presence.ts';
import { operatorsBefore, operatorsIn } from './rounds/leases.ts';
import type { ControllerState, Round, Run } from './state.ts';

/** Connected workers whose operator may take a slot of a round: it was enrolled before the offer and has had no lease of the run. */
export function* eligible(
  { presence }: Pick<ControllerState, 'presence'>,
  run: Run,
  round: Round,
): Generator<[worker: string, Present]> {
  const before = operatorsBefore(run, round);
  const within = operatorsIn(run, round);
  for (const [worker, present] of presence.workers) {
    const { operator, role, enrolled } = present;
    if (role !== 'worker' || !precedes(enrolled, round.offer.index)) continue;
    if (!before.has(operator) && !within.has(operator) && !round.lostBy.has(operator))
      yield [worker, present];
  }
}
