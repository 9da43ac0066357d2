import {
  artifactOf,
  idOf,
  isTrustedSlot,
  leaves,
  makeVerdict,
  type Outcome,
  type VerdictLevel,
} from '../documents/index.ts';
import type { ErrorCode } from '../errors.ts';
import { assert } from '../errors.ts';
import { isoTime } from '../time.ts';
import { disputeOf } from './dispute.ts';
import { charterOf } from './enrolment.ts';
import { findLease, setSlot } from './leases.ts';
import type { Recorded, Round, Run, Step } from './state.ts';
import { appendLeaf, currentRound, liveLeases, mustSync, tell, unchanged } from './state.ts';

/**
 * The files of an artifact with their hashes, as the trusted worker lists them, or else as enough operators of one round
 * do: somebody may be honest about the tree and lie about a file of it. Undefined where neither is so.
 */
export function filesOf(run: Run, artifact: string): { path: string; sha256: string }[] | undefined {
  const builds = run.receipts.filter((r) => artifactOf(r.outcome) === artifact);
  const alike = (a: Recorded) =>
    builds.filter(
      (b) =>
        !isTrustedSlot(b.slot) &&
        b.round === a.round &&
        idOf(b.receipt.payload.subject) === idOf(a.receipt.payload.subject),
    );
  const enough = run.request.payload.policy.agree;
  const witness =
    builds.find(({ slot }) => isTrustedSlot(slot)) ?? builds.find((build) => alike(build).length >= enough);
  return witness?.receipt.payload.subject
    .slice(1)
    .map(({ name, digest }) => ({ path: name, sha256: digest.sha256 }));
}

export function closeOffer(step: Step, round: Round): void {
  if (step.state.offers.delete(round.offerId)) step.out.push({ kind: 'unoffer', offer: round.offerId });
}

/** The last word on a run. Where the policy asks for it, the trusted worker signs first. */
export function conclude(step: Step, run: Run, level: VerdictLevel, outcome: Outcome | null): void {
  run.outcome = outcome;
  if ((level === 'trusted' || level === 'failed') && run.request.payload.policy.cosign === 'required') {
    const trusted = run.trustedLease;
    assert(trusted !== null, 'what needs the trusted worker has its receipt');
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
  const payload = makeVerdict({
    controller: state.id,
    time: isoTime(step.now),
    files: artifact === null ? [] : (filesOf(run, artifact) ?? []),
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
  const index = appendLeaf(step, leaves.verdict(id, run.jobId));
  run.verdict = { payload, id, index, size: state.log.size };
}

export function publish(step: Step, run: Run, level: VerdictLevel, outcome: Outcome | null): void {
  run.level = level;
  run.dispute = level === 'disputed' ? disputeOf(run) : null;
  writeVerdict(step, run, level, outcome);
  announce(step, run);
}

/** After the trusted worker signed: the verdict stands as it was sent to it. */
export function cosigned(step: Step, run: Run, worker: string, signature: string, witness: string): void {
  if (run.phase.kind !== 'cosigning' || run.phase.worker !== worker || run.verdict === null)
    return unchanged(step);
  run.cosignature = { worker, signature, witness };
  run.level = run.verdict.payload.predicate.quorate_verdict.level;
  announce(step, run);
  finish(step, run);
}

export function cosignRefused(step: Step, run: Run, worker: string, code: string, message: string): void {
  if (run.phase.kind !== 'cosigning' || run.phase.worker !== worker) return unchanged(step);
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
    ...(run.dispute !== null && { reason: run.dispute }),
  });
}

export function endLeases(
  step: Step,
  run: Run,
  code: ErrorCode = 'RUN_OVER',
  message = 'the job has its verdict',
): void {
  for (const live of liveLeases(run)) {
    const found = findLease(run, live.id);
    if (found !== undefined) setSlot(run, found.round, found.slot, { kind: 'expired' });
    step.state.leases.delete(live.id);
    step.out.push({
      kind: 'release',
      worker: live.worker,
      lease: live.id,
      code,
      message,
    });
  }
}

export function finish(step: Step, run: Run): void {
  mustSync(step);
  run.phase = { kind: 'done' };
  const round = currentRound(run);
  if (round !== undefined) closeOffer(step, round);
  endLeases(step, run);
  if (run.trustedLease !== null) {
    step.out.push({ kind: 'reveal', worker: run.trustedLease.worker, lease: run.trustedLease.id });
    step.state.leases.delete(run.trustedLease.id);
    run.trustedLease = null;
  }
}
