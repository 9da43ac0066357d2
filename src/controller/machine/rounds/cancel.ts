import { QuorateError } from '../../../protocol/base/errors.ts';
import { isTrustedSlot } from '../../../protocol/documents/index.ts';
import type { RunFacts } from '../facts.ts';
import { endLeases, releaseTrusted, withdrawOffer } from '../slots.ts';
import { currentRound, type EventOf, publishedOf, type Run, type Transition } from '../state.ts';
import { dropReuse } from '../verdicts/evidence-size.ts';
import { retire } from '../verdicts/verdict.ts';

/** Cancels a run for its publisher. A verdict that was published before stays. @throws `CANCEL_PUBLISHER_MISMATCH`, `RUN_OVER`. */
export function cancel(
  transition: Transition,
  found: RunFacts,
  { token, by, reason }: EventOf<'cancel'>,
): void {
  if (found.request.signer !== by)
    throw new QuorateError(
      'CANCEL_PUBLISHER_MISMATCH',
      `only who published a run can cancel it; this one is ${found.request.signer}'s`,
    );
  const run = transition.state.index.open.get(found.id);
  if (run === undefined)
    throw new QuorateError(
      'RUN_OVER',
      found.phase.kind === 'done' ? 'the job has its verdict already' : 'the job was cancelled already',
      { hint: `quorate show ${found.id.slice(0, 10)} tells what came of it.` },
    );
  endRun(transition, run, reason);
  transition.reply(token, { kind: 'cancelled', run: run.id });
}

/** Ends a run without a verdict: builds are stopped, and results of a sealed round are never revealed. */
export function endRun(transition: Transition, run: Run, reason: string): void {
  const { state } = transition;
  transition.mustSync();
  const message = `the job was cancelled: ${reason}`;
  const release = (worker: string, lease: string) => {
    state.leases.delete(lease);
    transition.release('RUN_CANCELLED', worker, lease, message);
  };
  endLeases(transition, run, 'RUN_CANCELLED', message);
  const round = currentRound(run);
  if (round !== undefined) {
    withdrawOffer(transition, round, 'OFFER_CLOSED', message);
    for (const { round: of, slot, lease, worker } of round.revealed ? [] : run.receipts)
      if (of === round.n && !isTrustedSlot(slot)) release(worker, lease);
  }
  for (const { worker, id } of releaseTrusted(transition, run)) release(worker, id);
  state.presence.witnessed.delete(run.id);
  // A draft that awaits signatures is dropped: it was never published.
  if (publishedOf(run) === null) dropReuse(run);
  state.index.ended(run);
  run.phase = { kind: 'cancelled', reason, published: publishedOf(run) };
  transition.tell(run, { kind: 'cancelled', reason });
  retire(transition, run);
}
