import { QuorateError } from '../../../protocol/base/errors.ts';
import { type Ack, idOf, isTrustedSlot, leaves, resultOf } from '../../../protocol/documents/index.ts';
import { checkReceipt, enforce, knownLimit, receiptShareOf } from '../../../protocol/judge/index.ts';
import { isOver, type Recorded, type RunFacts } from '../facts.ts';
import { hear } from '../presence.ts';
import { deliverTo, findLease, setSlot, trustedLeases } from '../slots.ts';
import { type EventOf, type LiveLease, type Run, runOfLease, type Transition } from '../state.ts';
import { askedToSign } from '../verdicts/cosigning.ts';
import { recordedWith } from '../verdicts/verdict.ts';
import { assignSlots, loseLease, mayLeaseAgain } from './leases.ts';
import { settle } from './settle.ts';

function acknowledge(transition: Transition, token: string, run: RunFacts, recorded: Recorded): void {
  const ack: Ack = {
    // The controller that was asked gave the lease; its key may have been replaced since.
    iss: run.request.payload.aud,
    aud: recorded.worker,
    lease: recorded.lease,
    receipt: recorded.receipt,
    index: recorded.index,
    iat: Math.floor(transition.now / 1000),
  };
  transition.reply(token, { kind: 'ack', ack });
}

/** Reveals or releases a lease whose receipt is in, where its round or run is over, or another trusted worker has its place. */
function releaseOrReveal(transition: Transition, run: RunFacts, recorded: Recorded): void {
  const { lease, worker, outcome, round, slot } = recorded;
  const before = run.earlier.find(({ receipts }) => receipts.includes(recorded));
  const revealed = (before ?? run).rounds[round - 1]?.revealed === true;
  const sealed = isTrustedSlot(slot) || !revealed;
  if (run.phase.kind === 'cancelled' && sealed) {
    transition.release('RUN_CANCELLED', worker, lease, `the job was cancelled: ${run.phase.reason}`);
  } else if (before !== undefined && sealed) transition.release('INPUT_LOST', worker, lease, otherInputs);
  else if (isTrustedSlot(slot) ? isOver(run) : revealed)
    transition.out.push({ kind: 'reveal', worker, lease });
  else if (isTrustedSlot(slot) && outcome.kind === 'aborted')
    transition.release('LEASE_LOST', worker, lease, 'the build was aborted');
  // Sent again: the release that told it of the lost lease may not have reached it.
  else if (isTrustedSlot(slot) && !transition.state.leases.has(lease))
    transition.release('LEASE_LOST', worker, lease, 'it made room for another one');
}

export function receipt(transition: Transition, event: EventOf<'receipt'>): void {
  const { token, lease, receipt } = event;
  const before = transition.state.index.receiptOf(lease);
  if (before !== undefined) {
    if (before.recorded.receipt !== receipt.id)
      throw new QuorateError('RECEIPT_SECOND', 'this lease has a receipt already; a slot yields one');
    // Its ack was lost: repeated with the same index, and after it what the worker ignored without the ack.
    acknowledge(transition, token, before.run, before.recorded);
    releaseOrReveal(transition, before.run, before.recorded);
    return transition.unchanged();
  }
  const run = runOfLease(transition.state, lease);
  const found = run && findLease(run, lease);
  if (run === undefined || found === undefined)
    throw new QuorateError('RECEIPT_STALE_FENCE', 'the lease of this receipt is over; its fence is stale');
  checkReceipt(enforce, receipt, found.live, run.job);
  const { round, slot, live } = found;
  const { worker, operator, grant } = live;
  const index = transition.appendLeaf(leaves.receipt(receipt.id, live.lease.offer));
  const result = resultOf(receipt.payload);
  // Shares one text among receipts with the same result: they are kept for good.
  const same = recordedWith(run, result);
  const { outcome } = receipt.payload.predicate.quorate_receipt;
  const limit =
    outcome.kind === 'aborted' && event.limit !== undefined ? knownLimit(run.job, event.limit) : undefined;
  const recorded: Recorded = {
    receipt: receipt.id,
    lease,
    worker,
    operator,
    issuer: grant.signer,
    role: isTrustedSlot(slot) ? 'trusted-worker' : 'worker',
    round: round.n,
    slot,
    index,
    enrolled: grant.payload.enrolled,
    offerIndex: round.offer.index,
    outcome: same?.outcome ?? outcome,
    result: same?.result ?? result,
    sealed: isTrustedSlot(slot) || !round.revealed,
    ...(limit !== undefined && { limit }),
  };
  run.receipts.push(recorded);
  const { own, receipts } = run.evidence;
  run.evidence = { own, receipts: receipts + receiptShareOf(receipt.raw.length) };
  run.documents.set(receipt.id, { receipt, lease: live.lease, grant });
  transition.state.index.received(run, recorded);
  acknowledge(transition, token, run, recorded);
  transition.tell(run, { kind: 'delivered', round: round.n, slot, worker, operator });
  if (recorded.outcome.kind === 'aborted') return aborted(transition, run, lease, recorded);
  deliverTo(transition, run, round, slot, receipt.id, live);
  settle(transition, run);
}

/** An aborted build is no vote. Its slot goes to a waiting candidate or expires; it is not offered again. */
function aborted(transition: Transition, run: Run, lease: string, recorded: Recorded): void {
  const { slot, outcome } = recorded;
  if (isTrustedSlot(slot)) {
    const why = outcome.kind === 'aborted' ? ` (${outcome.reason}): ${outcome.detail}` : '';
    loseLease(transition, run, lease, `the build was aborted${why}`);
    return settle(transition, run);
  }
  const round = run.rounds[recorded.round - 1];
  if (round === undefined) return;
  transition.state.leases.delete(lease);
  const again = mayLeaseAgain(transition, run, round, slot);
  setSlot(run, round, slot, again ? { kind: 'free' } : { kind: 'expired' });
  assignSlots(transition, run, round);
  if (round.slots[slot]?.kind === 'free') setSlot(run, round, slot, { kind: 'expired' });
  settle(transition, run);
}

/** Reason for a worker whose result nobody asks for any more. */
export const otherInputs = 'what the job reads came to other bytes; it is built on those';

export function silent(transition: Transition, { lease }: EventOf<'silent'>): void {
  const run = runOfLease(transition.state, lease);
  if (run === undefined || findLease(run, lease) === undefined) return transition.unchanged();
  loseLease(transition, run, lease, 'the worker went silent');
  settle(transition, run);
}

export function failed(transition: Transition, { lease, worker, code, message }: EventOf<'failed'>): void {
  const run = runOfLease(transition.state, lease);
  if (run === undefined || findLease(run, lease)?.live.worker !== worker) return transition.unchanged();
  loseLease(transition, run, lease, `${code}: ${message}`);
  settle(transition, run);
}

/** A lease that is live, or the trusted worker's whose receipt is in. */
function heldLease(run: Run, lease: string): LiveLease | undefined {
  return trustedLeases(run).find(({ id }) => id === lease) ?? findLease(run, lease)?.live;
}

/** Messages on a stream of a lease about its worker; none of them is journaled. */
export function ofLease(
  transition: Transition,
  { lease, worker }: { lease: string; worker: string },
  act: (live: LiveLease) => void,
): void {
  const run = runOfLease(transition.state, lease);
  const live = run && heldLease(run, lease);
  if (live?.worker === worker) act(live);
  transition.unchanged();
}

/** A worker resumes a lease on a new stream. The lease is live, or its receipt is in and its round may be over. */
export function resumeLease(transition: Transition, { token, lease, worker }: EventOf<'resume'>): void {
  const id = idOf(lease.payload);
  const { state } = transition;
  const before = state.index.receiptOf(id);
  const held = state.runs.get(before?.run.id ?? state.leases.get(id) ?? '');
  const live = held && heldLease(held, id);
  const recorded = before?.recorded;
  const run = before?.run ?? held;
  if (run === undefined || lease.payload.aud !== worker || (live === undefined && recorded === undefined))
    throw new QuorateError('LEASE_LOST', 'the lease is over');
  transition.reply(token, { kind: 'lease', run: run.id, lease: lease.payload });
  // Without its ack a worker ignores a reveal and refuses to co-sign.
  if (recorded !== undefined) acknowledge(transition, token, run, recorded);
  if (held !== undefined && live !== undefined) {
    hear(state, id, transition.now);
    if (askedToSign(held).includes(live))
      transition.out.push({ kind: 'cosign', run: run.id, worker, lease: id });
  } else if (recorded !== undefined) releaseOrReveal(transition, run, recorded);
  transition.unchanged();
}
