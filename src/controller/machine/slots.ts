import { assert, type ErrorCode } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { isTrustedSlot, type Slot } from '../../protocol/documents/index.ts';
import { cosignersOf } from '../../protocol/judge/index.ts';
import type { Recorded } from './facts.ts';
import { forgetOffer } from './presence.ts';
import {
  type LiveLease,
  liveLeases,
  type Round,
  type Run,
  type SlotState,
  type Transition,
} from './state.ts';

export function findLease(
  run: Run,
  lease: string,
): { round: Round; slot: Slot; live: LiveLease } | undefined {
  for (const round of run.rounds) {
    for (const [slot, held] of round.slots.entries())
      if (held.kind === 'leased' && held.live.id === lease) return { round, slot, live: held.live };
    const { trusted } = run;
    if (trusted.kind === 'leased' && trusted.live.id === lease && trusted.live.lease.round === round.n)
      return { round, slot: 'trusted', live: trusted.live };
  }
  return undefined;
}

/** The members of a run about its trusted worker, as long as none has a lease of it. */
export const newTrustedSlot = (): Pick<Run, 'trusted' | 'trustedLeases' | 'passedOver'> => ({
  trusted: { kind: 'free' },
  trustedLeases: 0,
  passedOver: new Map(),
});

/** Leases of trusted workers whose receipts are in, as long as their streams are of use. */
export function trustedLeases({ trusted }: Run): LiveLease[] {
  return trusted.kind === 'delivered' && trusted.live !== null ? [trusted.live] : [];
}

/** Receipts in the trusted worker's slot. That of one that was dismissed is in it no more, whatever its key is worth again. */
export const trustedReceipts = ({ trusted, receipts }: Run): Recorded[] =>
  receipts.filter(({ receipt }) => trusted.kind === 'delivered' && trusted.receipt === receipt);

/** Whether the trusted worker's slot may be leased once more. */
export const hasTrustedLease = (run: Run): boolean => run.trustedLeases < limits.slotLeasesMax;

/** Ends `trustedLeases` and returns them, for the caller to tell their workers. */
export function releaseTrusted({ state }: Transition, run: Run): LiveLease[] {
  const leases = trustedLeases(run);
  for (const { id } of leases) state.leases.delete(id);
  if (run.trusted.kind === 'delivered') run.trusted.live = null;
  return leases;
}

/** Whether a trusted worker's slot is to be offered. */
export const waitsForTrusted = ({ trusted, request }: Run): boolean =>
  trusted.kind === 'free' && cosignersOf(request.payload.policy) > 0;

/** Puts a receipt into the slot of its lease. With that of a trusted worker the offer of a round that is over closes. */
export function deliverTo(
  transition: Transition,
  run: Run,
  round: Round,
  slot: Slot,
  receipt: string,
  live: LiveLease,
): void {
  if (!isTrustedSlot(slot)) {
    round.slots[slot] = { kind: 'delivered', receipt };
    return;
  }
  if (round.revealed) closeOffer(transition, round);
  run.trusted = { kind: 'delivered', receipt, live };
}

export function setSlot(
  run: Run,
  round: Round,
  slot: Slot,
  value: Exclude<SlotState, { kind: 'delivered' }>,
): void {
  if (isTrustedSlot(slot)) run.trusted = value;
  else {
    assert(round.slots[slot] !== undefined, 'a slot of this round');
    round.slots[slot] = value;
  }
}

/** Offers a round, or its trusted slot, from now on or again. */
export function openOffer({ state, out }: Transition, run: Run, { offerId, offer }: Round): void {
  state.offers.set(offerId, run.id);
  out.push({ kind: 'offer', run: run.id, offer });
}

export function closeOffer(transition: Transition, round: Round): void {
  if (transition.state.offers.delete(round.offerId))
    transition.out.push({ kind: 'unoffer', offer: round.offerId });
}

/** Closes the offer of a round that ends early: candidates are refused, and workers may answer a later offer of it. */
export function withdrawOffer(
  transition: Transition,
  round: Round,
  code: 'OFFER_CLOSED' | 'INPUT_LOST',
  message: string,
): void {
  closeOffer(transition, round);
  for (const candidate of round.candidates) transition.refuse(code, candidate, message);
  round.candidates = [];
  forgetOffer(transition.state, round.offerId);
}

export function endLeases(
  transition: Transition,
  run: Run,
  code: ErrorCode = 'RUN_OVER',
  message = 'the job has its verdict',
  kind: 'expired' | 'free' = 'expired',
): void {
  for (const live of liveLeases(run)) {
    const found = findLease(run, live.id);
    if (found !== undefined) setSlot(run, found.round, found.slot, { kind });
    transition.state.leases.delete(live.id);
    transition.release(code, live.worker, live.id, message);
  }
}
