import type { OpenFacts } from '../account/index.ts';
import { isTrustedSlot } from '../documents/index.ts';
import { isHeld } from './drain.ts';
import { eligible } from './eligible.ts';
import type { RunFacts } from './facts.ts';
import { inputLevels, inputOf, needsOfRun } from './needs.ts';
import { operatorsAround } from './presence.ts';
import { type ControllerState, currentRound, liveLeases, type Round, type Run } from './state.ts';

/** See the schema; undefined for a run that has ended. */
export function openFactsOf(state: ControllerState, run: RunFacts): OpenFacts | undefined {
  const open = state.index.open.get(run.id);
  if (open === undefined) return undefined;
  const round = currentRound(open);
  const trusted = trustedOf(open);
  return {
    sealed: round === undefined || round.revealed ? 0 : slotsOf(round, 'delivered'),
    building: liveLeases(open).flatMap(({ lease, operator }) =>
      isTrustedSlot(lease.slot) ? [] : [operator],
    ),
    connected: operatorsAround(state),
    ...eligibleOf(state, open, round),
    ...(round !== undefined && !round.revealed && isHeld(state, round) && { held: true }),
    ...(trusted !== undefined && { trusted }),
    ...([...state.presence.workers.values()].some(({ role }) => role === 'trusted-worker') && {
      trustedConnected: true,
    }),
  };
}

const slotsOf = ({ slots }: Round, kind: Round['slots'][number]['kind']): number =>
  slots.filter((slot) => slot.kind === kind).length;

function trustedOf({ request, trusted }: Run): OpenFacts['trusted'] {
  if (request.payload.policy.cosign !== 'required') return undefined;
  return trusted.kind === 'leased' ? 'building' : trusted.kind;
}

/** Connected operators that may take a slot of the round, and those of them that declined. */
function eligibleOf(
  state: ControllerState,
  run: Run,
  round: Round | undefined,
): Pick<OpenFacts, 'eligible' | 'declined'> {
  if (round === undefined || round.revealed) return { eligible: 0, declined: [] };
  const operators = new Set<string>();
  for (const [, { operator }] of eligible(state, run, round)) operators.add(operator);
  const reasons = new Map<string, string>();
  for (const { progress } of run.history)
    if (progress.kind === 'passed' && progress.round === round.n && operators.has(progress.operator))
      reasons.set(progress.operator, progress.reason.slice(0, 500));
  const declined = [...reasons].map(([operator, reason]) => ({ operator, reason }));
  return { eligible: operators.size, declined };
}

/** Revealed results of operators. */
export function builtOf({ receipts, rounds }: RunFacts): number {
  return receipts.filter(
    ({ round, slot, outcome }) =>
      outcome.kind === 'exit' && !isTrustedSlot(slot) && rounds[round - 1]?.revealed === true,
  ).length;
}

/** Inputs of a run, by name, that are not there yet or not trusted. */
export function awaitsOf(state: ControllerState, run: RunFacts): string[] {
  if (run.phase.kind === 'cancelled') return [];
  if (run.phase.kind === 'waiting')
    return needsOfRun(run).flatMap(([name, need]) => (inputOf(state, need).reached ? [] : [name]));
  return Object.entries(inputLevels(state, run)).flatMap(([name, level]) =>
    level === 'trusted' ? [] : [name],
  );
}
