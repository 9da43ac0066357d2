import { artifactOf, type Charter, type Verified } from '../../../protocol/documents/index.ts';
import { atLeast, bearsFailure, decide, provenBy } from '../../../protocol/trust/decide.ts';
import type { Level } from '../../../protocol/trust/evidence.ts';
import {
  type Revoked,
  revocationAt,
  revocationsFor,
  type VerdictUse,
  verdictRevoked,
  voteRevoked,
} from '../../../protocol/trust/revocations.ts';
import { levelOn } from '../answer-level.ts';
import type { PublishedFacts, RunFacts } from '../facts.ts';
import { precedes } from '../log-order.ts';
import { revocationsIn } from '../members/revocations.ts';
import { type ControllerState, publishedOf } from '../state.ts';
import { inputLevels, inputRevoked } from './input-levels.ts';
import { staysWitnessed } from './witnesses.ts';

/** The revocation that voids a verdict of this run at a log index, whatever its receipts say. `last`: leaf under its checkpoint. */
export function runRevoked(
  state: ControllerState,
  run: RunFacts,
  { index, artifact, last = index }: Pick<VerdictUse, 'index' | 'artifact'> & { last?: number },
  charter: Verified<Charter> | null = state.charter,
  offers: VerdictUse['offers'] = run.rounds.map(({ offer }) => ({ signer: offer.iss, index: offer.index })),
): Revoked | undefined {
  return verdictRevoked(revocationsIn(state, charter), {
    project: charter?.payload.project ?? '',
    jobId: run.jobId,
    image: run.job.image,
    artifact,
    // The controller that was asked gave the verdict; its key may have been replaced since.
    controller: run.request.payload.aud,
    index,
    // Evidence of two stories is none of the revocations in the log.
    log: { key: charter?.payload.log ?? run.request.payload.aud, last, hasLine: false },
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
  published: PublishedFacts,
): Revoked | undefined {
  const { level } = published.verdict;
  if (state.revocations.length === 0 || provenBy(level) === 'none') return undefined;
  const read = inputRevoked(state, run);
  if (read !== undefined) return read;
  if (run.answer !== null) return answerStandsNot(state, run, run.answer, published);
  return evidenceStandsNot(state, run, published, inputLevels(state, run));
}

/** The same of a verdict on the evidence of an earlier run: that has to stand by itself, and to be enough for this one. */
function answerStandsNot(
  state: ControllerState,
  run: RunFacts,
  earlier: RunFacts,
  { verdict }: PublishedFacts,
): Revoked | undefined {
  const { index, charter, level, outcome } = verdict;
  const published = publishedOf(earlier);
  if (published === null) return undefined;
  const artifact = outcome === null ? null : artifactOf(outcome);
  const first = { signer: run.request.payload.aud, index };
  const whole =
    runRevoked(state, run, { index, artifact }, charter, [first]) ??
    // Inputs of the earlier run are no inputs of this one.
    evidenceStandsNot(state, earlier, published, {});
  if (whole !== undefined) return whole;
  const reached = levelOn(state, run, { earlier, published, charter, index });
  if (atLeast(reached, provenBy(level))) return undefined;
  const all = revocationsIn(state, charter);
  const [voided] = earlier.receipts.flatMap((vote) => voteRevoked(all, vote) ?? []);
  return voided ?? all.at(-1);
}

function evidenceStandsNot(
  state: ControllerState,
  run: RunFacts,
  published: PublishedFacts,
  inputs: Readonly<Record<string, Level>>,
): Revoked | undefined {
  const { verdict, backing } = published;
  const { index, charter, level, outcome } = verdict;
  const all = revocationsIn(state, charter);
  if (all.length === 0 || provenBy(level) === 'none') return undefined;
  const artifact = outcome === null ? null : artifactOf(outcome);
  const last = backing.kind === 'witnessed' ? backing.size - 1 : index;
  const whole = runRevoked(state, run, { index, artifact, last }, charter);
  if (whole !== undefined) return whole;

  // Those that it lists.
  const votes = run.receipts.filter((recorded) => precedes(recorded.index, index));
  const [voided] = votes.flatMap((vote) => voteRevoked(all, vote) ?? []);
  if (!staysWitnessed(run, published, all)) return all.at(-1);
  const cosigner = backing.kind === 'cosigned' ? backing.worker : undefined;
  const lapsed = cosigner === undefined ? undefined : revocationAt(all, { kind: 'key', id: cosigner }, index);
  if (voided === undefined && lapsed === undefined) return undefined;
  const cosigned = cosigner === undefined || lapsed !== undefined ? [] : [cosigner];
  const decision = decide(
    run.request.payload.policy,
    {
      kind: run.job.kind,
      votes,
      trustedKeys: charter.payload.trusted,
      cosigned,
      inputs,
    },
    revocationsFor(all, index),
  );
  const result = decision.results.find((one) => one.result === verdict.result);
  const stands =
    level === 'failed'
      ? bearsFailure(decision, verdict.result)
      : result !== undefined && atLeast(result.level, provenBy(level));
  return stands ? undefined : (voided ?? lapsed);
}
