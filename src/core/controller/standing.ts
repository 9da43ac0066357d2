import { artifactOf, type Charter, type Verified } from '../documents/index.ts';
import { atLeast, decide } from '../trust/decide.ts';
import {
  type Revoked,
  revocationAt,
  revocationsFor,
  type VerdictUse,
  verdictRevoked,
  voteRevoked,
} from '../trust/revocations.ts';
import type { PublishedFacts, RunFacts } from './facts.ts';
import { revocationsIn } from './revocations.ts';
import type { ControllerState } from './state.ts';

/** The revocation that voids a verdict of this run at a log index, whatever its receipts say. */
export function runRevoked(
  state: ControllerState,
  run: RunFacts,
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
  run: RunFacts,
  { verdict, cosignature }: PublishedFacts,
): Revoked | undefined {
  const { index, charter, level, outcome } = verdict;
  const all = revocationsIn(state, charter);
  if (all.length === 0 || level === 'disputed') return undefined;
  const artifact = outcome === null ? null : artifactOf(outcome);
  const whole = runRevoked(state, run, { index, artifact }, charter);
  if (whole !== undefined) return whole;

  // Those that it lists.
  const votes = run.receipts.filter((recorded) => recorded.index < index);
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
  const result = decision.results.find((one) => one.result === verdict.result);
  const stands =
    level === 'failed' ? decision.level === 'failed' : result !== undefined && atLeast(result.level, level);
  return stands ? undefined : (voided ?? lapsed);
}
