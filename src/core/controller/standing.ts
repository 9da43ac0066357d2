import { artifactOf, type Charter, isTrustedSlot, resultOf, type Verified } from '../documents/index.ts';
import { atLeast, decide, type Vote } from '../trust/decide.ts';
import {
  type Revoked,
  revocationAt,
  revocationsFor,
  type VerdictUse,
  verdictRevoked,
  voteRevoked,
} from '../trust/revocations.ts';
import { revocationsIn } from './revocations.ts';
import type { ControllerState, Published, Run } from './state.ts';

export function votesOf(run: Run): Vote[] {
  return run.receipts.map((recorded) => ({
    receipt: recorded.receipt.id,
    worker: recorded.lease.aud,
    operator: recorded.grant.payload.operator,
    issuer: recorded.grant.signer,
    role: isTrustedSlot(recorded.slot) ? 'trusted-worker' : 'worker',
    round: recorded.round,
    slot: recorded.slot,
    index: recorded.index,
    enrolled: recorded.grant.payload.enrolled,
    offerIndex: run.rounds[recorded.round - 1]?.offer.index ?? 0,
    outcome: recorded.outcome,
    result: recorded.result,
    sealed: recorded.sealed,
  }));
}

/** The revocation that voids a verdict of this run at a log index, whatever its receipts say. */
export function runRevoked(
  state: ControllerState,
  run: Run,
  { index, artifact }: Pick<VerdictUse, 'index' | 'artifact'>,
  charter: Verified<Charter> | null = state.charter,
  offers: VerdictUse['offers'] = run.rounds.map(({ offer }) => ({ signer: offer.iss, index: offer.index })),
): Revoked | undefined {
  return verdictRevoked(revocationsIn(state, charter), {
    jobId: run.jobId,
    image: run.job.image,
    artifact,
    controller: state.id,
    index,
    log: { key: charter?.payload.log ?? state.id, last: index },
    publisher: {
      key: run.request.signer,
      operator: run.publisher.payload.operator,
      issuer: run.publisher.signer,
    },
    offers: offers.filter((offer) => offer.index <= index),
  });
}

/** The revocation for which a published verdict, decided again, does not stand. What was published stays as it is. */
export function verdictStandsNot(
  state: ControllerState,
  run: Run,
  { verdict, cosignature }: Published,
): Revoked | undefined {
  const { level, outcome, receipts } = verdict.payload.predicate.quorate_verdict;
  const { index, charter } = verdict;
  const all = revocationsIn(state, charter);
  if (all.length === 0 || level === 'disputed') return undefined;
  const artifact = outcome === null ? null : artifactOf(outcome);
  const whole = runRevoked(state, run, { index, artifact }, charter);
  if (whole !== undefined) return whole;

  const listed = new Set(receipts.map(({ receipt }) => receipt));
  const votes = votesOf(run).filter(({ receipt }) => listed.has(receipt));
  const [voided] = votes.flatMap((vote) => voteRevoked(all, vote) ?? []);
  const lapsed =
    cosignature === null ? undefined : revocationAt(all, { kind: 'key', id: cosignature.worker }, index);
  if (voided === undefined && lapsed === undefined) return undefined;
  const cosigned = cosignature === null || lapsed !== undefined ? [] : [cosignature.worker];
  const decision = decide(
    run.request.payload.policy,
    { votes, trustedKeys: charter.payload.trusted, cosigned, inputs: {} },
    revocationsFor(all, index),
  );
  const about = resultOf(verdict.payload);
  const result = decision.results.find((one) => one.result === about);
  const stands =
    level === 'failed' ? decision.level === 'failed' : result !== undefined && atLeast(result.level, level);
  return stands ? undefined : (voided ?? lapsed);
}
