import { artifactOf, idOf, isTrustedSlot, type Outcome } from '../documents/index.ts';
import { type Decision, decide, type Vote, verdictLevelOf } from '../trust/decide.ts';
import { charterOf } from './enrolment.ts';
import { operatorsBefore } from './leases.ts';
import { openRound } from './rounds.ts';
import type { Recorded, Round, Run, Step } from './state.ts';
import { currentRound, isOver, mustSync, publishedOf, tell, unchanged } from './state.ts';
import { closeOffer, conclude, endLeases, filesOf, finish, publish } from './verdict.ts';

function votesOf(run: Run): Vote[] {
  return run.receipts.map((recorded) => ({
    receipt: recorded.receipt.id,
    worker: recorded.lease.aud,
    operator: recorded.grant.payload.operator,
    role: isTrustedSlot(recorded.slot) ? 'trusted-worker' : 'worker',
    round: recorded.round,
    slot: recorded.slot,
    index: recorded.index,
    enrolled: recorded.grant.payload.enrolled,
    offerIndex: run.rounds[recorded.round - 1]?.offer.index ?? 0,
    outcome: recorded.outcome,
    sealed: recorded.sealed,
  }));
}

/** What the evidence says, once the trusted worker has signed what it built itself. */
function decisionOf(step: Step, run: Run): Decision {
  const trustedKeys = charterOf(step).trusted;
  return decide(
    run.request.payload.policy,
    { votes: votesOf(run), trustedKeys, cosigned: trustedKeys, inputs: {} },
    { keys: {}, artifacts: run.unserved },
  );
}

function trustedReceipt(run: Run): Recorded | undefined {
  return run.receipts.find((recorded) => isTrustedSlot(recorded.slot) && recorded.outcome.kind === 'exit');
}

/** Looks at a run after anything about it changed, and takes it as far as its evidence goes. */
export function settle(step: Step, run: Run): void {
  const round = currentRound(run);
  if (round === undefined) return;
  if (run.phase.kind === 'building') {
    if (!round.slots.every((slot) => slot.kind === 'delivered' || slot.kind === 'expired')) return;
    reveal(step, run, round);
    judge(step, run, round);
  } else if (run.phase.kind === 'awaiting-trusted' || run.phase.kind === 'agreed') {
    if (trustedReceipt(run) !== undefined || run.trusted.kind === 'expired') judge(step, run, round);
  }
}

function reveal(step: Step, run: Run, round: Round): void {
  // Workers publish on this word; a receipt that came after it must not be taken for a sealed one.
  mustSync(step);
  round.revealed = true;
  for (const candidate of round.candidates) {
    step.out.push({
      kind: 'reply',
      token: candidate.token,
      reply: { kind: 'error', code: 'OFFER_CLOSED', message: 'the round is over; all its slots were used' },
    });
  }
  round.candidates = [];
  if (run.trusted.kind !== 'free' || run.request.payload.policy.cosign === 'none') closeOffer(step, round);
  const delivered = run.receipts.filter(
    (recorded) => recorded.round === round.n && !isTrustedSlot(recorded.slot),
  );
  for (const { lease, receipt, outcome } of delivered) {
    const leaseId = receipt.payload.predicate.quorate_receipt.lease;
    step.out.push({ kind: 'reveal', worker: lease.aud, lease: leaseId });
    step.state.leases.delete(leaseId);
    const log = receipt.payload.predicate.quorate_receipt.log;
    if (log !== null) step.out.push({ kind: 'keep', run: run.id, root: log, from: lease.aud });
    const artifact = artifactOf(outcome);
    if (artifact !== null) step.out.push({ kind: 'keep', run: run.id, root: artifact, from: lease.aud });
  }
  const empty = round.slots.filter((slot) => slot.kind === 'expired').length;
  if (empty > 0) tell(step, run, { kind: 'unfilled', round: round.n, slots: empty });
  tell(step, run, {
    kind: 'revealed',
    round: round.n,
    results: delivered.map(({ lease, receipt, outcome, slot }) => ({
      worker: lease.aud,
      operator: lease.operator,
      slot,
      result: describe(outcome),
      log: receipt.payload.predicate.quorate_receipt.log,
    })),
  });
}

function describe(outcome: Outcome): string {
  if (outcome.kind === 'aborted')
    return `aborted: ${outcome.reason}${outcome.detail === '' ? '' : `: ${outcome.detail}`}`;
  return outcome.code === 0 ? (outcome.artifact ?? 'no outputs') : `exit ${outcome.code}`;
}

function judge(step: Step, run: Run, round: Round): void {
  const { policy } = run.request.payload;
  const decision = decisionOf(step, run);
  const trusted = trustedReceipt(run);
  if (decision.level === 'failed') return conclude(step, run, 'failed', trusted?.outcome ?? null);
  if (decision.level === 'agreed' || decision.level === 'trusted') {
    if (run.phase.kind === 'agreed')
      return decision.level === 'agreed' ? undefined : conclude(step, run, 'trusted', decision.outcome);
    const artifact = decision.outcome === null ? null : artifactOf(decision.outcome);
    tell(step, run, {
      kind: 'agreed',
      round: round.n,
      artifact,
      by: agreeing(run, round, decision.outcome).map((r) => r.lease.operator),
    });
    if (artifact === null) return afterPin(step, run, decision.outcome);
    // Operators may agree on a tree and not on what its files are: nobody could check such a verdict.
    if (policy.cosign === 'none' && filesOf(run, artifact) === undefined)
      return conclude(step, run, 'disputed', null);
    run.phase = { kind: 'pinning', artifact, tries: 0, retryAt: null };
    return pin(step, run);
  }
  if (decision.contradicted.some((standing) => standing.round === round.n))
    return contradicted(step, run, round, decision);
  const failures = run.receipts.filter(
    (r) => r.round === round.n && !isTrustedSlot(r.slot) && r.outcome.kind === 'exit' && r.outcome.code !== 0,
  );
  if (
    failures.length >= policy.agree &&
    policy.cosign === 'required' &&
    trusted === undefined &&
    run.trusted.kind !== 'expired'
  ) {
    tell(step, run, {
      kind: 'unconfirmed',
      round: round.n,
      says: `the build failed at ${failures.length} of ${policy.of} operators; that counts once the trusted worker's build fails too`,
    });
    run.phase = { kind: 'awaiting-trusted' };
    return;
  }
  nextRound(step, run, round);
}

/** What had been agreed stands no more; the trusted worker's own result stays sealed while others build. */
function contradicted(step: Step, run: Run, round: Round, decision: Decision): void {
  const claimed = decision.contradicted.find((standing) => standing.round === round.n);
  tell(step, run, {
    kind: 'contradicted',
    round: round.n,
    artifact: claimed?.outcome.artifact ?? null,
    trusted: null,
  });
  nextRound(step, run, round);
}

function agreeing(run: Run, round: Round, outcome: Outcome | null): Recorded[] {
  return run.receipts.filter(
    (r) =>
      r.round === round.n && !isTrustedSlot(r.slot) && outcome !== null && idOf(r.outcome) === idOf(outcome),
  );
}

export function pin(step: Step, run: Run): void {
  const round = currentRound(run);
  if (run.phase.kind !== 'pinning' || round === undefined) return;
  const { artifact } = run.phase;
  const from = run.receipts
    .filter((r) => artifactOf(r.outcome) === artifact && !isTrustedSlot(r.slot))
    .map((r) => r.lease.aud);
  step.out.push({ kind: 'pin', run: run.id, artifact, from: [...new Set(from)] });
}

export function pinned(step: Step, run: Run, artifact: string, ok: boolean, detail: string): void {
  if (run.phase.kind !== 'pinning' || run.phase.artifact !== artifact) return unchanged(step);
  if (ok) return afterPin(step, run, { kind: 'exit', code: 0, artifact });
  run.phase.tries++;
  if (run.phase.tries < step.state.timings.pinTriesMax) {
    run.phase.retryAt = step.now + step.state.timings.pinRetryMs;
    return;
  }
  // A signer who cannot serve the bytes is no witness of them.
  tell(step, run, { kind: 'pin-failed', artifact, detail });
  run.unserved.push(artifact);
  const round = currentRound(run);
  if (round !== undefined) nextRound(step, run, round);
}

/** The trusted worker may have delivered while the bytes were fetched, so the evidence is weighed again. */
function afterPin(step: Step, run: Run, outcome: Outcome | null): void {
  const round = currentRound(run);
  const decision = decisionOf(step, run);
  if (round !== undefined && decision.contradicted.some((standing) => standing.round === round.n))
    return contradicted(step, run, round, decision);
  if (decision.level === 'trusted' || run.request.payload.policy.cosign === 'none')
    return conclude(step, run, verdictLevelOf(decision), outcome);
  const artifact = outcome === null ? null : artifactOf(outcome);
  const known = artifact === null || filesOf(run, artifact) !== undefined;
  run.phase = { kind: 'agreed', published: known ? publish(step, run, 'agreed', outcome) : null };
}

/** A new round needs enough operators that took part in none before, and a policy that still allows one. */
function nextRound(step: Step, run: Run, round: Round): void {
  const { policy } = run.request.payload;
  const held = operatorsBefore(run, { ...round, n: round.n + 1 });
  const fresh = [...step.state.operators.worker.keys()].filter((name) => !held.has(name));
  if (run.rounds.length < policy.rounds && fresh.length >= policy.agree) {
    closeOffer(step, round);
    openRound(step, run);
  } else conclude(step, run, 'disputed', null);
}

/** The request's time is up: what was reached stands, what was not is disputed. */
export function expire(step: Step, run: Run): void {
  if (isOver(run)) return;
  const round = currentRound(run);
  if (round !== undefined && !round.revealed) {
    endLeases(step, run);
    round.slots = round.slots.map((slot) => (slot.kind === 'free' ? { kind: 'expired' } : slot));
    reveal(step, run, round);
  }
  const published = publishedOf(run);
  if (published === null) return conclude(step, run, 'disputed', null);
  // The draft that nobody co-signed gives way to what had been agreed.
  const { outcome } = published.verdict.payload.predicate.quorate_verdict;
  finish(step, run, run.phase.kind === 'cosigning' ? publish(step, run, 'agreed', outcome) : published);
}
