import { revocationsIn } from './members/revocations.ts';
import type { ControllerState } from './state.ts';

/** Runs whose policies say how many operators rounds ask for. */
const looksMax = 50;

/** Operators of workers, or of trusted ones, that are admitted and not revoked. */
export function operatorsLeft(
  state: ControllerState,
  role: 'worker' | 'trusted-worker' = 'worker',
): string[] {
  const gone = new Set(
    revocationsIn(state).flatMap(({ what }) => (what.kind === 'operator' ? [what.id] : [])),
  );
  return [...state.operators[role].keys()].filter((name) => !gone.has(name));
}

/** The most slots that a round has: by the charter's floors, and of the runs that were asked for last. */
export function slotsAsked(state: ControllerState): number {
  const charter = state.charter?.payload;
  let most = Math.max(charter?.floor.of ?? 0, charter?.testFloor?.of ?? 0);
  let looked = 0;
  for (const { request } of state.index.latest()) {
    if (looked++ >= looksMax) break;
    most = Math.max(most, request.payload.policy.of);
  }
  return most;
}
