import { limits } from '../../../protocol/base/limits.ts';
import { artifactOf, encodeJob, idOf, isTrustedSlot } from '../../../protocol/documents/index.ts';
import { decide } from '../../../protocol/trust/decide.ts';
import { revocationsFor, sayRevoked } from '../../../protocol/trust/revocations.ts';
import type { RunDocuments } from '../events.ts';
import type { RunFacts } from '../facts.ts';
import { charterOf, refusalOfRun } from '../members/charter.ts';
import { revocationsIn } from '../members/revocations.ts';
import { mayOpenRound } from '../rounds/open-round.ts';
import { newTrustedSlot } from '../slots.ts';
import { type EventOf, publishedOf, type Round, type Run, type Transition } from '../state.ts';
import { bundleBytesOf } from '../verdicts/evidence-size.ts';
import { inputLevels, inputOf, inputRevoked, needsOfRun } from '../verdicts/input-levels.ts';
import { nextVoidedBy } from '../verdicts/review.ts';

/** Asks for the documents of a run that has ended and whose verdict is void, where something else may still come of it. */
export function considerRecall(transition: Transition, run: RunFacts): void {
  const { state, out } = transition;
  if (run.phase.kind !== 'done' || state.recalls.has(run.id)) return;
  if (run.revoked === null && inputRevoked(state, run) === undefined) return;
  if (!mayComeBack(transition, run)) return;
  state.recalls.add(run.id);
  out.push({ kind: 'recall', run: run.id });
}

/** Asks for the documents of each such run, in the order they were submitted. */
export function considerRecalls(transition: Transition): void {
  for (const { id } of [...transition.state.index.latest()].reverse()) {
    const run = transition.state.index.get(id);
    if (run !== undefined) considerRecall(transition, run);
  }
}

/** Opens a run again on the evidence that still counts; leaves it where that cannot be read or it may not be built any more. */
export function reopened(transition: Transition, event: EventOf<'recalled'>): Run | undefined {
  const { state } = transition;
  const known = state.index.get(event.run);
  if (known === undefined || !state.recalls.delete(event.run)) {
    transition.unchanged();
    return undefined;
  }
  // Runs that wait for it go on waiting or end.
  transition.dirty.add(event.run);
  const run = event.documents === null ? undefined : runOf(known, event.documents, event.entropy);
  if (run === undefined || known.phase.kind !== 'done' || !mayComeBack(transition, known)) return undefined;
  if (refusalOfRun(run, charterOf(transition)) !== undefined) return undefined;
  state.finished.delete(run.id);
  state.runs.delete(run.id);
  state.runs.set(run.id, run);
  state.unstored.delete(run.id);
  state.index.reopened(run);
  const revoked = run.revoked ?? inputRevoked(state, run);
  const reason = revoked === undefined ? 'what it needs was revoked' : sayRevoked(revoked);
  transition.tell(run, { kind: 'reopened', reason });
  return run;
}

function mayComeBack({ state, now }: Transition, run: RunFacts): boolean {
  const { exp, aud } = run.request.payload;
  if (now >= exp * 1000 || aud !== state.id || state.index.open.size >= limits.openRequestsMax) return false;
  if (nextVoidedBy(state, run) !== undefined) return false;
  if (needsOfRun(run).some(([, need]) => inputOf(state, need).lost !== undefined)) return false;
  if (Object.values(inputLevels(state, run)).includes('none')) return true;
  return mayBeDecided(state, run);
}

/** Whether the evidence of a run still amounts to something, or more may come. */
function mayBeDecided(state: Transition['state'], run: RunFacts): boolean {
  const revocations = revocationsFor(revocationsIn(state), state.log.size);
  const ownIsVoid = run.receipts.some(({ slot, outcome }) => {
    const artifact = artifactOf(outcome);
    return isTrustedSlot(slot) && artifact !== null && revocations.artifacts?.includes(artifact) === true;
  });
  // The trusted worker would build the same again.
  if (ownIsVoid) return false;
  const trustedKeys = state.charter?.payload.trusted ?? [];
  const { job, receipts: votes } = run;
  const evidence = { kind: job.kind, votes, trustedKeys, cosigned: trustedKeys, inputs: {} };
  const { level } = decide(run.request.payload.policy, evidence, revocations);
  return ['agreed', 'trusted', 'failed'].includes(level) || mayOpenRound(state, run);
}

/** The run as it was when it ended; undefined where some of its documents are missing. Its trusted worker's lease is over. */
function runOf(known: RunFacts, documents: RunDocuments, entropy: string): Run | undefined {
  const { id, jobId, submittedAt, receipts, earlier, reused, revoked, history } = known;
  // The answer that it had counts no more.
  const brought = reused === null ? 0 : bundleBytesOf(reused);
  const evidence = { ...known.evidence, receipts: known.evidence.receipts - brought };
  const { request, publisher, job, offers } = documents;
  const held = new Map(documents.receipts.map((one) => [one.receipt.id, one]));
  const whole =
    request.id === id &&
    encodeJob(job).id === jobId &&
    offers.length === known.rounds.length &&
    offers.every(({ index }, n) => index === known.rounds[n]?.offer.index) &&
    receipts.every((one) => held.has(one.receipt));
  if (!whole) return undefined;
  const verdict = publishedOf(known)?.verdict.id;
  return {
    id,
    jobId,
    submittedAt,
    evidence,
    revoked,
    history,
    request,
    publisher,
    job,
    entropy,
    rounds: offers.map((offer): Round => {
      const slots = Array.from({ length: offer.policy.of }, () => ({ kind: 'expired' as const }));
      return {
        n: offer.round,
        offer,
        offerId: idOf(offer),
        revealed: true,
        slots,
        openedAt: offer.iat * 1000,
        windowEnds: 0,
        windowOpen: false,
        fillBy: 0,
        candidates: [],
        passed: new Set(),
        lostBy: new Set(),
        leasesGiven: slots.map(() => 0),
      };
    }),
    ...newTrustedSlot(),
    receipts: [...receipts],
    earlier: [...earlier],
    reused: null,
    documents: held,
    drafts: new Set(verdict === undefined ? [] : [verdict]),
    unserved: [],
    phase: { kind: 'waiting' },
  };
}
