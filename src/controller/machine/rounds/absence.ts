import { isTrustedSlot } from '../../../protocol/documents/index.ts';
import { lackOf } from '../../../protocol/judge/index.ts';
import { voteRevoked } from '../../../protocol/trust/revocations.ts';
import { precedes } from '../facts.ts';
import { revocationsIn } from '../members/revocations.ts';
import type { Present } from '../presence.ts';
import {
  type ControllerState,
  currentRound,
  type EventOf,
  type Round,
  type Run,
  runOfOffer,
  type Transition,
} from '../state.ts';
import { assignSlots, operatorsBefore, operatorsIn } from './leases.ts';
import { documentsOffered, isOfVersion } from './older.ts';

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

/** Whether a connected worker could take a slot now: it can read the offer, the host fits, and it did not decline. One that is busy claims once it is free. */
function isAttended(state: ControllerState, run: Run, round: Round): boolean {
  const answers = state.presence.answered.get(round.offerId);
  const documents = documentsOffered(state, run, round);
  for (const [worker, { capabilities, version }] of eligible(state, run, round)) {
    if (answers?.get(worker) === 'declined' || !isOfVersion(state, { version }, documents)) continue;
    if (lackOf(round.offer.needs, capabilities) === undefined) return true;
  }
  return false;
}

/** Whether as many operators of an open round delivered one result as have to agree, by receipts that are votes, and nobody builds for it. */
function hasEnough(state: ControllerState, run: Run, round: Round): boolean {
  if (run.phase.kind !== 'building') return false;
  if (round.slots.some(({ kind }) => kind === 'leased')) return false;
  const counts = new Map<string, number>();
  const all = revocationsIn(state);
  for (const vote of run.receipts) {
    const { round: n, slot, result } = vote;
    if (n !== round.n || isTrustedSlot(slot) || result === null) continue;
    if (voteRevoked(all, vote) !== undefined) continue;
    counts.set(result, (counts.get(result) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values()) >= run.request.payload.policy.agree;
}

/** Notes since when nobody connected could give the votes that a round lacks. After a start members have time to come back. */
export function considerAbsence({ state, now }: Pick<Transition, 'state' | 'now'>, run: Run): void {
  const round = currentRound(run);
  if (round === undefined) return;
  const { absent, since } = state.presence;
  const someone = !hasEnough(state, run, round) || isAttended(state, run, round);
  if (someone) absent.delete(round.offerId);
  else if (!absent.has(round.offerId))
    absent.set(round.offerId, Math.max(now, since + state.timings.leaseSilenceMs));
}

/** A worker connected, who may be able to take slots of rounds that waited for one. */
export function reconsiderAbsences(transition: Transition): void {
  const { state } = transition;
  for (const offer of [...state.presence.absent.keys()]) {
    const run = runOfOffer(state, offer);
    if (run === undefined) state.presence.absent.delete(offer);
    else considerAbsence(transition, run);
  }
}

export function expireFree(round: Round): void {
  round.slots = round.slots.map((slot) => (slot.kind === 'free' ? { kind: 'expired' } : slot));
}

/** Time to fill slots is up: waiting candidates get free slots, the rest expire. */
export function giveUpFreeSlots(transition: Transition, run: Run): void {
  const round = currentRound(run);
  if (round === undefined) return;
  assignSlots(transition, run, round);
  expireFree(round);
}

/** Expires free slots that nobody connected could take. Returns the run, to be settled. Presence is not journaled, nor looked at here. */
export function untaken(transition: Transition, { offer }: EventOf<'untaken'>): Run | undefined {
  const { state } = transition;
  const run = runOfOffer(state, offer);
  const round = run && currentRound(run);
  state.presence.absent.delete(offer);
  if (run === undefined || round === undefined || !hasEnough(state, run, round)) {
    transition.unchanged();
    return undefined;
  }
  round.untaken = true;
  expireFree(round);
  return run;
}
