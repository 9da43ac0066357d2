import {
  artifactOf,
  idOf,
  leaves,
  makeVerdict,
  type Outcome,
  type VerdictLevel,
} from '../documents/index.ts';
import { isoTime } from '../time.ts';
import { type Decision, decide, type Vote, verdictLevelOf } from '../trust/decide.ts';
import { charterOf } from './enrolment.ts';
import { operatorsBefore } from './leases.ts';
import { openRound } from './rounds.ts';
import type { Recorded, Round, Run, Step } from './state.ts';
import { currentRound, liveLeases, tell } from './state.ts';

export function votesOf(run: Run): Vote[] {
  return run.receipts.map((recorded) => ({
    receipt: recorded.receipt.id,
    worker: recorded.lease.aud,
    operator: recorded.grant.payload.operator,
    role: recorded.role,
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
  return run.receipts.find((recorded) => recorded.slot === 'trusted' && recorded.outcome.kind === 'exit');
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
    (recorded) => recorded.round === round.n && recorded.slot !== 'trusted',
  );
  for (const { lease, receipt, outcome } of delivered) {
    const leaseId = idOf(lease);
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

export function describe(outcome: Outcome): string {
  if (outcome.kind === 'aborted') return `aborted: ${outcome.reason}`;
  return outcome.code === 0 ? (outcome.artifact ?? 'no outputs') : `exit ${outcome.code}`;
}

export function closeOffer(step: Step, round: Round): void {
  if (step.state.offers.delete(round.offerId)) step.out.push({ kind: 'unoffer', offer: round.offerId });
}

function judge(step: Step, run: Run, round: Round): void {
  const { policy } = run.request.payload;
  const decision = decisionOf(step, run);
  const trusted = trustedReceipt(run);
  if (decision.level === 'failed') return conclude(step, run, 'failed', trusted?.outcome ?? null);
  if (decision.level === 'agreed' || decision.level === 'trusted') {
    if (run.phase.kind === 'agreed')
      return trusted === undefined ? undefined : conclude(step, run, 'trusted', decision.outcome);
    const artifact = decision.outcome === null ? null : artifactOf(decision.outcome);
    tell(step, run, {
      kind: 'agreed',
      round: round.n,
      artifact,
      by: agreeing(run, round, decision.outcome).map((r) => r.lease.operator),
    });
    if (artifact === null) return afterPin(step, run, decision.outcome);
    run.phase = { kind: 'pinning', artifact, tries: 0, retryAt: null };
    return pin(step, run);
  }
  const claimed = decision.contradicted[0];
  if (claimed !== undefined) {
    tell(step, run, {
      kind: 'contradicted',
      round: round.n,
      artifact: claimed.outcome.kind === 'exit' ? claimed.outcome.artifact : null,
      trusted: null,
    });
    return nextRound(step, run, round);
  }
  const failures = run.receipts.filter(
    (r) => r.round === round.n && r.slot !== 'trusted' && r.outcome.kind === 'exit' && r.outcome.code !== 0,
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

function agreeing(run: Run, round: Round, outcome: Outcome | null): Recorded[] {
  return run.receipts.filter(
    (r) =>
      r.round === round.n && r.slot !== 'trusted' && outcome !== null && idOf(r.outcome) === idOf(outcome),
  );
}

export function pin(step: Step, run: Run): void {
  const round = currentRound(run);
  if (run.phase.kind !== 'pinning' || round === undefined) return;
  const { artifact } = run.phase;
  const from = run.receipts
    .filter((r) => artifactOf(r.outcome) === artifact && r.slot !== 'trusted')
    .map((r) => r.lease.aud);
  step.out.push({ kind: 'pin', run: run.id, artifact, from: [...new Set(from)] });
}

export function pinned(step: Step, run: Run, artifact: string, ok: boolean, detail: string): void {
  if (run.phase.kind !== 'pinning' || run.phase.artifact !== artifact) return;
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

function afterPin(step: Step, run: Run, outcome: Outcome | null): void {
  if (run.request.payload.policy.cosign === 'none')
    return conclude(step, run, verdictLevelOf(decisionOf(step, run)), outcome);
  run.phase = { kind: 'agreed' };
  if (trustedReceipt(run) !== undefined) return conclude(step, run, 'trusted', outcome);
  run.outcome = outcome;
  publish(step, run, 'agreed', outcome);
}

/** A new round needs operators that took part in none before, and a policy that still allows one. */
function nextRound(step: Step, run: Run, round: Round): void {
  const held = operatorsBefore(run, { ...round, n: round.n + 1 });
  const fresh = [...step.state.operators.keys()].filter(
    (name) => name.endsWith(' worker') && !held.has(name.slice(0, -' worker'.length)),
  );
  if (run.rounds.length < run.request.payload.policy.rounds && fresh.length > 0) {
    closeOffer(step, round);
    openRound(step, run);
  } else conclude(step, run, 'disputed', null);
}

/** The last word on a run. Where the policy asks for it, the trusted worker signs first. */
export function conclude(step: Step, run: Run, level: VerdictLevel, outcome: Outcome | null): void {
  run.outcome = outcome;
  const trusted = run.trustedLease;
  if (
    (level === 'trusted' || level === 'failed') &&
    run.request.payload.policy.cosign === 'required' &&
    trusted !== null
  ) {
    writeVerdict(step, run, level, outcome);
    run.phase = { kind: 'cosigning', worker: trusted.worker, lease: trusted.id };
    tell(step, run, { kind: 'cosigning', worker: trusted.worker });
    step.out.push({ kind: 'cosign', run: run.id, worker: trusted.worker, lease: trusted.id });
    return;
  }
  publish(step, run, level, outcome);
  finish(step, run);
}

function writeVerdict(step: Step, run: Run, level: VerdictLevel, outcome: Outcome | null): void {
  const { state } = step;
  const { request } = run;
  const artifact = outcome === null ? null : artifactOf(outcome);
  const witness = run.receipts.find((r) => artifact !== null && artifactOf(r.outcome) === artifact);
  const payload = makeVerdict({
    controller: state.id,
    time: isoTime(step.now),
    files: (witness?.receipt.payload.subject ?? [])
      .slice(1)
      .map(({ name, digest }) => ({ path: name, sha256: digest.sha256 })),
    facts: {
      project: charterOf(step).project,
      job: run.jobId,
      name: run.job.name,
      request: run.id,
      repo: request.payload.repo,
      ref: request.payload.ref,
      commit: request.payload.commit,
      policy: request.payload.policy,
      level,
      outcome,
      receipts: run.receipts.map((r) => ({
        receipt: r.receipt.id,
        worker: r.lease.aud,
        operator: r.lease.operator,
        slot: r.slot,
        round: r.round,
        index: r.index,
        outcome: r.outcome,
      })),
    },
  });
  const id = idOf(payload);
  const index = state.log.append(leaves.verdict(id, run.jobId));
  run.verdict = { payload, id, index, size: state.log.size };
}

function publish(step: Step, run: Run, level: VerdictLevel, outcome: Outcome | null): void {
  run.level = level;
  writeVerdict(step, run, level, outcome);
  announce(step, run);
}

/** After the trusted worker signed: the verdict stands as it was sent to it. */
export function cosigned(step: Step, run: Run, worker: string, signature: string, witness: string): void {
  if (run.phase.kind !== 'cosigning' || run.phase.worker !== worker || run.verdict === null) return;
  run.cosignature = { worker, signature, witness };
  run.level = run.verdict.payload.predicate.quorate_verdict.level;
  announce(step, run);
  finish(step, run);
}

export function cosignRefused(step: Step, run: Run, worker: string, code: string, message: string): void {
  if (run.phase.kind !== 'cosigning' || run.phase.worker !== worker) return;
  tell(step, run, { kind: 'cosign-refused', worker, code, message });
  conclude(step, run, 'disputed', null);
}

function announce(step: Step, run: Run): void {
  const facts = run.verdict?.payload.predicate.quorate_verdict;
  if (facts === undefined) return;
  step.out.push({ kind: 'verdict', run: run.id });
  tell(step, run, {
    kind: 'verdict',
    level: facts.level,
    artifact: facts.outcome === null ? null : artifactOf(facts.outcome),
  });
}

function finish(step: Step, run: Run): void {
  run.phase = { kind: 'done' };
  const round = currentRound(run);
  if (round !== undefined) closeOffer(step, round);
  for (const live of liveLeases(run)) {
    step.state.leases.delete(live.id);
    step.out.push({
      kind: 'release',
      worker: live.worker,
      lease: live.id,
      code: 'RUN_OVER',
      message: 'the job has its verdict',
    });
  }
  if (run.trustedLease !== null) {
    step.out.push({ kind: 'reveal', worker: run.trustedLease.worker, lease: run.trustedLease.id });
    step.state.leases.delete(run.trustedLease.id);
    run.trustedLease = null;
  }
}
