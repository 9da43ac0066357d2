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
import type { LoggedVerdict, Published, Recorded, Round, Run, Step } from './state.ts';
import {
  appendLeaf,
  currentRound,
  liveLeases,
  mustSync,
  publishedOf,
  tell,
  trustedLease,
  unchanged,
} from './state.ts';

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
  if ((level === 'trusted' || level === 'failed') && run.request.payload.policy.cosign === 'required') {
    const held = trustedLease(run);
    assert(held !== null, 'what needs the trusted worker has its receipt');
    const { worker, id: lease } = held;
    const draft = writeVerdict(step, run, level, outcome);
    run.phase = { kind: 'cosigning', worker, lease, draft, published: publishedOf(run) };
    tell(step, run, { kind: 'cosigning', worker });
    step.out.push({ kind: 'cosign', run: run.id, worker, lease });
    return;
  }
  finish(step, run, publish(step, run, level, outcome));
}

function writeVerdict(step: Step, run: Run, level: VerdictLevel, outcome: Outcome | null): LoggedVerdict {
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
  return { payload, id, index, size: state.log.size };
}

export function publish(step: Step, run: Run, level: VerdictLevel, outcome: Outcome | null): Published {
  const dispute = level === 'disputed' ? disputeOf(run) : null;
  const published = { verdict: writeVerdict(step, run, level, outcome), cosignature: null, dispute };
  announce(step, run, published);
  return published;
}

/** After the trusted worker signed: the verdict stands as it was sent to it. */
export function cosigned(step: Step, run: Run, worker: string, signature: string, witness: string): void {
  if (run.phase.kind !== 'cosigning' || run.phase.worker !== worker) return unchanged(step);
  const cosignature = { worker, signature, witness };
  const published = { verdict: run.phase.draft, cosignature, dispute: null };
  announce(step, run, published);
  finish(step, run, published);
}

export function cosignRefused(step: Step, run: Run, worker: string, code: string, message: string): void {
  if (run.phase.kind !== 'cosigning' || run.phase.worker !== worker) return unchanged(step);
  tell(step, run, { kind: 'cosign-refused', worker, code, message });
  conclude(step, run, 'disputed', null);
}

function announce(step: Step, run: Run, { verdict, dispute }: Published): void {
  const { level, outcome } = verdict.payload.predicate.quorate_verdict;
  step.out.push({ kind: 'verdict', run: run.id });
  tell(step, run, {
    kind: 'verdict',
    level,
    artifact: outcome === null ? null : artifactOf(outcome),
    ...(dispute !== null && { reason: dispute }),
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

/** Ends a run with this as its last verdict: nothing of it is leased or offered any more. */
export function finish(step: Step, run: Run, published: Published): void {
  mustSync(step);
  run.phase = { kind: 'done', published };
  const round = currentRound(run);
  if (round !== undefined) closeOffer(step, round);
  endLeases(step, run);
  if (run.trusted.kind !== 'delivered' || run.trusted.live === null) return;
  const { worker, id: lease } = run.trusted.live;
  step.out.push({ kind: 'reveal', worker, lease });
  step.state.leases.delete(lease);
  run.trusted.live = null;
}
