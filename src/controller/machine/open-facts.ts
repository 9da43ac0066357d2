import type { OpenFacts } from '../../protocol/account/index.ts';
import { isTrustedSlot } from '../../protocol/documents/index.ts';
import { isHeld } from './drain.ts';
import { eligible } from './eligible.ts';
import type { RunFacts } from './facts.ts';
import { precedes } from './log-order.ts';
import { absenceEndsAt, operatorsAround } from './presence.ts';
import { type ControllerState, currentRound, liveLeases, type Round, type Run } from './state.ts';
import { inputLevels, inputOf, needsOfRun } from './verdicts/input-levels.ts';

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
    ...freeUntilOf(state, open, round),
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
): Pick<OpenFacts, 'eligible' | 'late' | 'declined'> {
  if (round === undefined || round.revealed) return { eligible: 0, declined: [] };
  const late = operatorsAround(state, ({ enrolled }) => !precedes(enrolled, round.offer.index));
  const operators = new Set<string>();
  for (const [, { operator }] of eligible(state, run, round)) operators.add(operator);
  const reasons = new Map<string, string>();
  for (const { progress } of run.history)
    if (progress.kind === 'passed' && progress.round === round.n && operators.has(progress.operator))
      reasons.set(progress.operator, progress.reason.slice(0, 500));
  const declined = [...reasons].map(([operator, reason]) => ({ operator, reason }));
  return { eligible: operators.size, late, declined };
}

/**
 * When free slots of a round are given up. Where that is early, as many results agree as have to, and nobody builds or could: that much is told
 * before the round is revealed, since whoever takes a slot then changes nothing by knowing it.
 */
function freeUntilOf(
  state: ControllerState,
  run: Run,
  round: Round | undefined,
): Pick<OpenFacts, 'freeUntil'> {
  if (run.phase.kind !== 'building' || round === undefined || slotsOf(round, 'free') === 0) return {};
  if (isHeld(state, round)) return {};
  return { freeUntil: Math.min(round.fillBy, absenceEndsAt(state, round.offerId) ?? round.fillBy) };
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
