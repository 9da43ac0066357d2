import { isTrustedSlot, type Job } from '../../protocol/documents/index.ts';
import { findLease, setSlot } from './rounds/leases.ts';
import { answerOrBuild } from './rounds/reuse.ts';
import { decideRound, settle } from './rounds/settle.ts';
import { currentRound, liveLeases, mustSync, type Round, type Run, type Transition } from './state.ts';
import { dropAnswer, evidenceOf } from './verdicts/evidence-size.ts';
import { withdrawOffer } from './verdicts/verdict.ts';

/** Reason for a worker whose result nobody asks for any more. */
export const otherInputs = 'what the job reads came to other bytes; it is built on those';

/**
 * Stops a run whose input is worth less than its request asks for, until that has the level again. Builds are stopped and their slots are
 * free again; a result that is in stays sealed at its worker, since it counts if the input comes to the same bytes.
 */
export function suspend(transition: Transition, run: Run, reason: string): void {
  const { state, out } = transition;
  mustSync(transition);
  const message = `the build was stopped: ${reason}`;
  for (const live of liveLeases(run)) {
    const found = findLease(run, live.id);
    if (found !== undefined) setSlot(run, found.round, found.slot, { kind: 'free' });
    state.leases.delete(live.id);
    out.push({ kind: 'release', worker: live.worker, lease: live.id, code: 'INPUT_LOST', message });
  }
  const round = currentRound(run);
  if (round !== undefined) withdrawOffer(transition, round, 'INPUT_LOST', message);
  state.presence.witnessed.delete(run.id);
  // A draft that awaits signatures is dropped: it was never published.
  dropAnswer(run);
  run.phase = { kind: 'waiting' };
}

/** Answers a run that was not built, or builds it; or goes on with the instance that it is: its receipts count as before, and no round of it is left out. */
export function resume(transition: Transition, run: Run): void {
  const round = currentRound(run);
  if (round === undefined) return answerOrBuild(transition, run);
  if (round.revealed) {
    run.phase = { kind: 'awaiting-trusted' };
    if (run.trusted.kind === 'free' && run.request.payload.policy.cosign === 'required')
      offerAgain(transition, run, round);
    return decideRound(transition, run, round);
  }
  const { windowMs, slotFillMs } = transition.state.timings;
  run.phase = { kind: 'building' };
  if (round.windowOpen) round.windowEnds = transition.now + windowMs;
  round.fillBy = transition.now + windowMs + slotFillMs;
  offerAgain(transition, run, round);
  settle(transition, run);
}

function offerAgain({ state, out }: Transition, run: Run, round: Round): void {
  state.offers.set(round.offerId, run.id);
  out.push({ kind: 'offer', run: run.id, offer: round.offer });
}

/** Makes a suspended run another instance of its template, whose rounds begin anew: no receipt of the one before counts for it. */
export function replaceInstance(
  transition: Transition,
  run: Run,
  { job, id }: { job: Job; id: string },
): void {
  const { state, out } = transition;
  mustSync(transition);
  const release = (worker: string, lease: string) => {
    state.leases.delete(lease);
    out.push({ kind: 'release', worker, lease, code: 'INPUT_LOST', message: otherInputs });
  };
  for (const { round, slot, lease, worker } of run.receipts)
    if (!isTrustedSlot(slot) && run.rounds[round - 1]?.revealed !== true) release(worker, lease);
  if (run.trusted.kind === 'delivered' && run.trusted.live !== null)
    release(run.trusted.live.worker, run.trusted.live.id);
  const { jobId, receipts } = run;
  const rounds = run.rounds.map(({ offer: { iss, index }, revealed }) => ({
    offer: { iss, index },
    revealed,
  }));
  run.earlier.push({ jobId, rounds, receipts });
  // Other lists, and not these emptied: a session may be reading them to somebody.
  Object.assign(run, {
    ...{
      job,
      jobId: id,
      rounds: [],
      receipts: [],
      documents: new Map(),
      unserved: [],
      evidence: evidenceOf({ job }),
    },
    ...{ trusted: { kind: 'free' }, trustedLeases: 0, passedOver: new Map() },
  } satisfies Partial<Run>);
  state.index.instantiated(run);
}
