import { type ControllerState, liveLeases, type Round, type Transition, unchanged } from './state.ts';

/**
 * While the controller is drained, a round in which nobody builds or has built gives no lease: its operators are asked again
 * after the next start, which ends the drain.
 */
export function isHeld(
  { draining }: Pick<ControllerState, 'draining'>,
  { slots }: Pick<Round, 'slots'>,
): boolean {
  return draining && !slots.some(({ kind }) => kind === 'leased' || kind === 'delivered');
}

/** Takes requests, and begins to build none of them until the next start. */
export function drain(transition: Transition): void {
  if (transition.state.draining) return unchanged(transition);
  transition.state.draining = true;
}

/** A lease that a drain waits for. Times in milliseconds since the epoch. */
export interface AwaitedLease {
  run: string;
  /** Name of its job. */
  name: string;
  operator: string;
  slot: number | 'trusted';
  /** When it was given, and when it ends at the latest. */
  since: number;
  until: number;
}

/** Leases that a drain waits for: their builds are not delivered. */
export function awaitedLeases({ index }: Pick<ControllerState, 'index'>): AwaitedLease[] {
  return [...index.open.values()].flatMap((run) =>
    liveLeases(run).map(({ operator, lease }) => ({
      run: run.id,
      name: run.job.name,
      operator,
      slot: lease.slot,
      since: lease.iat * 1000,
      until: lease.exp * 1000,
    })),
  );
}
