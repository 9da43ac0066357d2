import { artifactOf, isTrustedSlot } from '../../../protocol/documents/index.ts';
import { cosignersOf, limitText } from '../../../protocol/judge/index.ts';
import { type Decision, verdictLevelOf } from '../../../protocol/trust/decide.ts';
import type { Recorded } from '../facts.ts';
import { forgetOffer } from '../presence.ts';
import { closeOffer, endLeases, trustedLeases, waitsForTrusted } from '../slots.ts';
import { currentRound, documentsOf, type EventOf, type Round, type Run, type Transition } from '../state.ts';
import { decisionOf, endsAtLimit, reachedLimit } from '../verdicts/decision.ts';
import { crowdedOut, crowdedOutSays, hasRoom, roundBytesOf } from '../verdicts/evidence-size.ts';
import { inputsTrusted } from '../verdicts/input-levels.ts';
import { describeOutcome, differingFiles, reportsOfFailure } from '../verdicts/results.ts';
import { conclude, concludeWithout, finish, publish, recordedWith } from '../verdicts/verdict.ts';
import { considerAbsence, expireFree } from './absence.ts';
import { endRun } from './cancel.ts';
import { mayOpenRound, openRound } from './open-round.ts';
import { askToPin, countAnswer } from './pin.ts';
import { reconsiderReuse, reuseAgain } from './reuse.ts';

/** A store that is away is asked again less often than signers. */
const storeRetryFactor = 5;

/** Ends a round whose slots are all used, and decides once the trusted worker's receipt is in or out of reach. */
export function settle(transition: Transition, run: Run): void {
  const round = currentRound(run);
  if (round === undefined) return;
  if (run.phase.kind === 'building') {
    // Builds that still run would end at the same limit.
    if (reachedLimit(transition, run)?.stands === true) {
      endLeases(transition, run);
      expireFree(round);
    }
    if (!round.slots.every((slot) => slot.kind === 'delivered' || slot.kind === 'expired'))
      return considerAbsence(transition, run);
    reveal(transition, run, round);
    decideRound(transition, run, round);
  } else if (run.phase.kind === 'awaiting-trusted' || run.phase.kind === 'agreed') {
    if (trustedLeases(run).length > 0 || run.trusted.kind === 'expired' || endsAtLimit(transition, run))
      decideRound(transition, run, round);
  }
}

export function reveal(transition: Transition, run: Run, round: Round): void {
  // Workers publish after this; a receipt that comes later must not count as sealed.
  transition.mustSync();
  round.revealed = true;
  for (const candidate of round.candidates)
    transition.refuse('OFFER_CLOSED', candidate, 'the round is over; all its slots were used');
  round.candidates = [];
  forgetOffer(transition.state, round.offerId);
  if (!waitsForTrusted(run)) closeOffer(transition, round);
  const delivered = run.receipts.filter(
    (recorded) => recorded.round === round.n && !isTrustedSlot(recorded.slot),
  );
  for (const recorded of delivered) {
    const { lease, worker, outcome } = recorded;
    transition.out.push({ kind: 'reveal', worker, lease });
    transition.state.leases.delete(lease);
    const log = logOf(run, recorded);
    if (log !== null) transition.out.push({ kind: 'keep', run: run.id, root: log, from: worker });
    const artifact = artifactOf(outcome);
    if (artifact !== null) transition.out.push({ kind: 'keep', run: run.id, root: artifact, from: worker });
  }
  const empty = round.slots.filter((slot) => slot.kind === 'expired').length;
  if (empty > 0)
    transition.tell(run, {
      kind: 'unfilled',
      round: round.n,
      slots: empty,
      ...(round.untaken && { absent: true }),
    });
  transition.tell(run, {
    kind: 'revealed',
    round: round.n,
    results: delivered.map((recorded) => ({
      worker: recorded.worker,
      operator: recorded.operator,
      slot: recorded.slot,
      result: describeOutcome(recorded.outcome),
      ...reportsOfFailure(recorded.outcome),
      log: logOf(run, recorded),
    })),
  });
  const { files, count } = differingFiles(delivered.map((recorded) => documentsOf(run, recorded).receipt));
  if (count > 0) transition.tell(run, { kind: 'differs', round: round.n, files, count });
}

function logOf(run: Run, recorded: Recorded): string | null {
  return documentsOf(run, recorded).receipt.payload.predicate.quorate_receipt.log;
}

export function decideRound(transition: Transition, run: Run, round: Round): void {
  const { policy } = run.request.payload;
  const decision = decisionOf(transition, run);
  const isBuilt = run.trusted.kind === 'delivered';
  const about = recordedWith(run, decision.result);
  if (decision.level === 'failed' && (cosignersOf(policy) === 0 || isBuilt))
    return end(transition, run, () => {
      if (cosignersOf(policy) === 0)
        transition.tell(run, { kind: 'failed', round: round.n, by: decision.operators });
      conclude(transition, run, 'failed', about);
    });
  if (decision.level === 'agreed' || decision.level === 'trusted') {
    if (run.phase.kind === 'agreed') {
      if (decision.level === 'trusted') return conclude(transition, run, 'trusted', about);
      return isFinal(transition, run) ? finish(transition, run, run.phase.published) : undefined;
    }
    const artifact = artifactOf(decision.outcome);
    transition.tell(run, {
      kind: 'agreed',
      round: round.n,
      artifact,
      by: agreeing(run, round, decision.result).map((r) => r.operator),
    });
    if (artifact === null) return afterPin(transition, run);
    const answers = { by: [], failed: [] };
    run.phase = { kind: 'pinning', artifact, tries: 0, retryAt: null, answers, delayed: false };
    return pin(transition, run);
  }
  if (decision.contradicted.some((result) => result.round === round.n))
    return contradicted(transition, run, round, decision);
  const failures = run.receipts.filter(
    (r) =>
      r.round === round.n &&
      !decision.excluded.has(r.receipt) &&
      r.outcome.kind === 'exit' &&
      r.outcome.code !== 0,
  );
  if (
    failures.length >= policy.agree &&
    cosignersOf(policy) > 0 &&
    !isBuilt &&
    run.trusted.kind !== 'expired'
  )
    return awaitTrusted(
      transition,
      run,
      `the build failed at ${failures.length} of ${policy.of} operators; that counts once the trusted worker's build fails too`,
    );
  const reached = reachedLimit(transition, run);
  if (reached?.stands === true) return end(transition, run, () => withoutResult(transition, run));
  if (reached !== undefined && run.trusted.kind === 'leased')
    return awaitTrusted(
      transition,
      run,
      `builds were aborted: ${limitText(reached.limit)}; that counts once the trusted worker's is aborted there too`,
    );
  nextRound(transition, run, round);
}

function awaitTrusted(transition: Transition, run: Run, says: string): void {
  transition.tell(run, { kind: 'unconfirmed', round: currentRound(run)?.n ?? 0, says });
  run.phase = { kind: 'awaiting-trusted' };
}

/** No receipt says that nobody serves an artifact, so that consumers count it when they judge the level. */
export const withoutResult = (transition: Transition, run: Run): void =>
  concludeWithout(transition, run, decisionOf(transition, run, transition.rules < 3 ? run.unserved : []));

/** Whether what is agreed can become nothing more: no trusted worker is waited for, nor an input. */
function isFinal({ state }: Transition, run: Run): boolean {
  return cosignersOf(run.request.payload.policy) === 0 && inputsTrusted(state, run);
}

/** Ends a run without an artifact. Not while its inputs may still turn out to be false: then that may be why. */
function end(transition: Transition, run: Run, conclude: () => void): void {
  if (inputsTrusted(transition.state, run)) conclude();
  else run.phase = { kind: 'held' };
}

/** Revokes what was agreed and opens a new round. The trusted worker's own result stays sealed meanwhile. */
function contradicted(transition: Transition, run: Run, round: Round, decision: Decision): void {
  const claimed = decision.contradicted.find((result) => result.round === round.n);
  transition.tell(run, {
    kind: 'contradicted',
    round: round.n,
    artifact: claimed?.outcome.artifact ?? null,
    trusted: null,
  });
  nextRound(transition, run, round);
}

function agreeing(run: Run, round: Round, result: string | null): Recorded[] {
  return run.receipts.filter(
    (r) => r.round === round.n && !isTrustedSlot(r.slot) && result !== null && r.result === result,
  );
}

export function pin(transition: Transition, run: Run): void {
  if (run.phase.kind !== 'pinning') return;
  askToPin(
    transition,
    run,
    run.phase,
    run.receipts.filter(({ slot }) => !isTrustedSlot(slot)),
  );
}

export function pinned(transition: Transition, run: Run, event: EventOf<'pinned'>): void {
  const { artifact, detail } = event;
  if (run.phase.kind !== 'pinning' || run.phase.artifact !== artifact) return transition.unchanged();
  const kept = countAnswer(transition, run.phase.answers, event);
  if (kept === 'foreign') return transition.unchanged();
  if (kept === 'waiting') return;
  if (kept === 'kept') return afterPin(transition, run);
  if (kept === 'store') return waitForStores(transition, run, detail);
  run.phase.tries++;
  if (run.phase.tries < transition.state.timings.pinTriesMax) {
    run.phase.retryAt = transition.now + transition.state.timings.pinRetryMs;
    return;
  }
  // An artifact that none of its signers serves counts for nothing.
  transition.tell(run, { kind: 'pin-failed', artifact, detail });
  run.unserved.push(artifact);
  const round = currentRound(run);
  if (round !== undefined) nextRound(transition, run, round);
}

/** Tries again later, until the request ends: that a store is away says nothing of those who built. */
function waitForStores(transition: Transition, run: Run, detail: string): void {
  if (run.phase.kind !== 'pinning') return;
  run.phase.retryAt = transition.now + storeRetryFactor * transition.state.timings.pinRetryMs;
  if (run.phase.delayed) return;
  run.phase.delayed = true;
  const says = `agreed on, and waits for an artifact store to keep it: ${detail}`;
  transition.tell(run, { kind: 'unconfirmed', round: currentRound(run)?.n ?? 0, says });
}

/** Decides again: the trusted worker may have delivered while the bytes were fetched. */
function afterPin(transition: Transition, run: Run): void {
  const round = currentRound(run);
  const decision = decisionOf(transition, run);
  const about = recordedWith(run, decision.result);
  if (round !== undefined && decision.contradicted.some((result) => result.round === round.n))
    return contradicted(transition, run, round, decision);
  // Some of those who agreed may have been revoked meanwhile.
  const agreed = decision.level === 'agreed' || decision.level === 'trusted';
  if (round !== undefined && !agreed) return nextRound(transition, run, round);
  const artifact = artifactOf(decision.outcome);
  if (round !== undefined && run.phase.kind === 'pinning' && run.phase.artifact !== artifact)
    return decideRound(transition, run, round);
  const last = isFinal(transition, run);
  if (decision.level === 'agreed' && last)
    transition.tell(run, {
      kind: 'unconfirmed',
      round: round?.n ?? 0,
      says: 'it left no file in $OUT, which is as easily said without running it: no more than agreed. Have it write files there, or require the co-signature: trust: {cosign: required}',
    });
  if (decision.level === 'trusted' || last) return conclude(transition, run, verdictLevelOf(decision), about);
  run.phase = { kind: 'agreed', published: publish(transition, run, 'agreed', about) };
}

/** A charter came while signatures were waited for: drafts the same verdict under it, or decides as if there was no draft. */
export function redraft(transition: Transition, run: Run): void {
  if (!('draft' in run.phase)) return;
  if (run.reused !== null) return reuseAgain(transition, run);
  const { level, result } = run.phase.draft;
  const decision = decisionOf(transition, run);
  const same = decision.level === level && decision.result === result;
  if (same) conclude(transition, run, level, recordedWith(run, decision.result));
  else redecide(transition, run);
}

/** The draft is not to be signed any more: the run is where it was before there was one. */
export function withdrawDraft(run: Run): void {
  if (!('draft' in run.phase)) return;
  const { draft, published } = run.phase;
  run.phase =
    draft.level === 'failed' || published === null
      ? { kind: 'awaiting-trusted' }
      : { kind: 'agreed', published };
}

/** Decides again what was agreed or waits for the trusted worker: receipts or an artifact were revoked. */
export function redecide(transition: Transition, run: Run): void {
  if ('draft' in run.phase && run.reused !== null) return reconsiderReuse(transition, run);
  const round = currentRound(run);
  // A round decides at its end, and what is being fetched once it is here.
  if (round === undefined || ['waiting', 'building', 'pinning'].includes(run.phase.kind)) return;
  if ('draft' in run.phase) {
    const { level, result } = run.phase.draft;
    const now = decisionOf(transition, run);
    if (now.level === level && now.result === result) return;
    withdrawDraft(run);
  }
  decideRound(transition, run, round);
}

/** Opens a new round where the policy allows one and enough operators have no receipt of an earlier round. */
function nextRound(transition: Transition, run: Run, round: Round): void {
  const more = mayOpenRound(transition.state, run);
  const room = !more || hasRoom(transition, run, roundBytesOf(run));
  if (!room)
    transition.tell(run, {
      kind: 'unconfirmed',
      round: round.n,
      says: 'no further round: with its receipts the evidence would be more than anybody reads. Fewer output files leave room for one (limits.files)',
    });
  if (more && room) {
    for (const other of crowdedOut(transition, run, roundBytesOf(run)))
      endRun(transition, other, crowdedOutSays);
    closeOffer(transition, round);
    openRound(transition, run);
  } else end(transition, run, () => withoutResult(transition, run));
}
