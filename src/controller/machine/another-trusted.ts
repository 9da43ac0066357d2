import { limits } from '../../protocol/base/limits.ts';
import { isMember, memberRevoked } from './members/revocations.ts';
import { documentsOffered, isOfVersion } from './rounds/older.ts';
import { type ControllerState, currentRound, type Run, type Transition } from './state.ts';

/** Trusted workers of the charter in force that joined and are not revoked. */
function signers(state: ControllerState): string[] {
  const trusted = state.charter?.payload.trusted ?? [];
  return trusted.filter((sub) => {
    const joined = state.keys.get(sub);
    if (joined?.role !== 'trusted-worker' || !isMember(state, joined)) return false;
    return memberRevoked(state, { sub, ...joined }) === undefined;
  });
}

const hasRefused = (run: Run, worker: string): boolean => run.passedOver.get(worker)?.refused === true;

/** Whether one of them refused to sign for a run. What operators agree on does not outweigh that. */
export const isRefused = (state: ControllerState, run: Run): boolean =>
  run.passedOver.size > 0 && signers(state).some((id) => hasRefused(run, id));

/** Those of them other than this one that did not. */
export const otherSigners = (state: ControllerState, run: Run, worker: string): string[] =>
  signers(state).filter((id) => id !== worker && !hasRefused(run, id));

/** Those of the others that are connected and can read what is offered. Not known at a replay. */
export function signersThere(state: ControllerState, run: Run, worker: string): string[] {
  const { workers } = state.presence;
  const round = currentRound(run);
  const documents = round === undefined ? {} : documentsOffered(state, run, round);
  return otherSigners(state, run, worker).filter((id) => {
    const there = workers.get(id);
    return there !== undefined && isOfVersion(state, there, documents);
  });
}

/**
 * Whether a trusted worker gets the slot of a run only after others: while one is there that lost fewer leases of it, at most for
 * `passedOverMs`. The last lease is not for one that lost all before it, and none is for one that refused to sign. A claim that is refused is
 * not journaled, so this may look at who is there.
 */
export function isForAnother({ state, now, rules }: Transition, run: Run, worker: string): boolean {
  const own = run.passedOver.get(worker);
  if (own === undefined) return false;
  if (own.refused) return true;
  const lostBy = (id: string) => run.passedOver.get(id)?.lost ?? 0;
  if (now < own.until && signersThere(state, run, worker).some((id) => lostBy(id) < own.lost)) return true;
  // Under the rules before a worker could lose them all.
  return rules >= 3 && own.lost >= limits.slotLeasesMax - 1 && otherSigners(state, run, worker).length > 0;
}
