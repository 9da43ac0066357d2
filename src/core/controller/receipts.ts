import {
  type Ack,
  artifactOf,
  cidDigestHex,
  idOf,
  leaves,
  type Receipt,
  type Verified,
} from '../documents/index.ts';
import { QuorateError } from '../errors.ts';
import { assignSlots, findLease, loseLease, setSlot } from './leases.ts';
import { settle } from './settle.ts';
import type { EventOf, LiveLease, Recorded, Run, Step } from './state.ts';
import { tell } from './state.ts';

/** The receipt must say of itself what its lease says. */
function checkReceipt(receipt: Verified<Receipt>, live: LiveLease): void {
  const { lease } = live;
  const facts = receipt.payload.predicate.quorate_receipt;
  const expected = {
    project: lease.project,
    job: lease.job,
    offer: lease.offer,
    lease: live.id,
    round: lease.round,
    slot: lease.slot,
    fence: lease.fence,
    operator: lease.operator,
  };
  for (const [key, value] of Object.entries(expected)) {
    const said = facts[key as keyof typeof expected];
    if (idOf(said) !== idOf(value))
      throw new QuorateError('RECEIPT_MISMATCH', `the receipt's ${key} is not that of its lease`);
  }
  if (receipt.signer !== lease.aud)
    throw new QuorateError(
      'RECEIPT_OTHER_SIGNER',
      `the receipt is signed by ${receipt.signer}, the lease is ${lease.aud}'s`,
    );
  const artifact = artifactOf(facts.outcome);
  const [tree] = receipt.payload.subject;
  if (tree?.digest.sha256 !== cidDigestHex(artifact ?? lease.job)) {
    throw new QuorateError('RECEIPT_MISMATCH', 'the first subject of the receipt is not its artifact');
  }
}

function acknowledge(step: Step, token: string, recorded: Recorded): void {
  const ack: Ack = {
    iss: step.state.id,
    aud: recorded.lease.aud,
    lease: idOf(recorded.lease),
    receipt: recorded.receipt.id,
    index: recorded.index,
    iat: Math.floor(step.now / 1000),
  };
  step.out.push({ kind: 'reply', token, reply: { kind: 'ack', ack } });
}

/** A receipt repeated after its ack was lost is acknowledged again, with the same index. */
function recordedBefore(step: Step, lease: string): Recorded | undefined {
  for (const run of step.state.runs.values()) {
    const recorded = run.receipts.find((candidate) => idOf(candidate.lease) === lease);
    if (recorded !== undefined) return recorded;
  }
  return undefined;
}

export function receipt(step: Step, { token, lease, receipt }: EventOf<'receipt'>): void {
  const before = recordedBefore(step, lease);
  if (before !== undefined) {
    if (before.receipt.id !== receipt.id)
      throw new QuorateError('RECEIPT_SECOND', 'this lease has a receipt already; a slot yields one');
    acknowledge(step, token, before);
    return;
  }
  const run = step.state.runs.get(step.state.leases.get(lease) ?? '');
  const found = run === undefined ? undefined : findLease(run, lease);
  if (run === undefined || found === undefined) {
    throw new QuorateError('RECEIPT_STALE_FENCE', 'the lease of this receipt is over; its fence is stale');
  }
  checkReceipt(receipt, found.live);
  const { round, slot, live } = found;
  const index = step.state.log.append(leaves.receipt(receipt.id, live.lease.offer));
  const recorded: Recorded = {
    receipt,
    lease: live.lease,
    grant: live.grant,
    role: slot === 'trusted' ? 'trusted-worker' : 'worker',
    round: round.n,
    slot,
    index,
    outcome: receipt.payload.predicate.quorate_receipt.outcome,
    sealed: slot === 'trusted' || !round.revealed,
  };
  run.receipts.push(recorded);
  acknowledge(step, token, recorded);
  tell(step, run, { kind: 'delivered', round: round.n, slot, worker: live.worker, operator: live.operator });
  if (recorded.outcome.kind === 'aborted') return aborted(step, run, lease, recorded);
  setSlot(run, round, slot, { kind: 'delivered', receipt: receipt.id });
  if (slot === 'trusted') {
    if (round.revealed) closeTrustedOffer(step, round.offerId);
    run.trustedLease = live;
  }
  settle(step, run);
}

function closeTrustedOffer(step: Step, offer: string): void {
  if (step.state.offers.delete(offer)) step.out.push({ kind: 'unoffer', offer });
}

/** An aborted run is no vote. Its slot goes to somebody who waits, or is given up: nobody is asked twice. */
function aborted(step: Step, run: Run, lease: string, recorded: Recorded): void {
  const { slot } = recorded;
  if (slot === 'trusted') {
    loseLease(step, run, lease, describeAbort(recorded));
    settle(step, run);
    return;
  }
  const round = run.rounds[recorded.round - 1];
  if (round === undefined) return;
  step.state.leases.delete(lease);
  setSlot(run, round, slot, { kind: 'free' });
  assignSlots(step, run, round);
  if (round.slots[slot]?.kind === 'free') setSlot(run, round, slot, { kind: 'expired' });
  settle(step, run);
}

function describeAbort({ outcome }: Recorded): string {
  return outcome.kind === 'aborted'
    ? `the build was aborted (${outcome.reason}): ${outcome.detail}`
    : 'the build was aborted';
}
