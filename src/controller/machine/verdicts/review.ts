import { artifactOf, type Charter, sameValue, type Verified } from '../../../protocol/documents/index.ts';
import { atLeast, bearsFailure, type Decision, decide, provenBy } from '../../../protocol/trust/decide.ts';
import { decideEarlier } from '../../../protocol/trust/earlier.ts';
import type { Level } from '../../../protocol/trust/evidence.ts';
import {
  type Revoked,
  revocationAt,
  revocationsFor,
  trustedAmong,
  type VerdictUse,
  verdictRevoked,
  voteRevoked,
} from '../../../protocol/trust/revocations.ts';
import { needsWitnesses } from '../../../protocol/trust/witnesses.ts';
import { cosignersIn, type PublishedFacts, precedes, type RunFacts } from '../facts.ts';
import { endedKeys, revocationsIn } from '../members/revocations.ts';
import { type ControllerState, publishedOf, type Transition } from '../state.ts';
import { inputLevels, inputRevoked } from './input-levels.ts';
import { staysWitnessed } from './witnesses.ts';

/** The revocation that voids a verdict of this run at a log index, whatever its receipts say. `last`: leaf under its checkpoint. */
export function runVoidedBy(
  state: ControllerState,
  run: RunFacts,
  { index, artifact, last = index }: Pick<VerdictUse, 'index' | 'artifact'> & { last?: number },
  charter: Verified<Charter> | null = state.charter,
  offers: VerdictUse['offers'] = offersOf(run),
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

/** The revocation that would void the next verdict of a run. */
export function nextVoidedBy(state: ControllerState, run: RunFacts): Revoked | undefined {
  const { size: index } = state.log;
  const offers = [...offersOf(run), { signer: state.id, index }];
  return runVoidedBy(state, run, { index, artifact: null }, state.charter, offers);
}

const offersOf = ({ rounds }: RunFacts): VerdictUse['offers'] =>
  rounds.map(({ offer }) => ({ signer: offer.iss, index: offer.index }));

/** The revocation that voids a published verdict, decided again. The published document stays as it is. */
function verdictVoidedBy(
  state: ControllerState,
  run: RunFacts,
  published: PublishedFacts,
): Revoked | undefined {
  const { level } = published.verdict;
  if (state.revocations.length === 0 || provenBy(level) === 'none') return undefined;
  const read = inputRevoked(state, run);
  if (read !== undefined) return read;
  if (run.reused !== null) return reuseVoidedBy(state, run, run.reused, published);
  return evidenceVoidedBy(state, run, published, inputLevels(state, run));
}

/** The revocation that voids a verdict which reuses an earlier run: the earlier verdict must stand by itself and be enough for this request. */
function reuseVoidedBy(
  state: ControllerState,
  run: RunFacts,
  earlier: RunFacts,
  { verdict }: PublishedFacts,
): Revoked | undefined {
  const { index, charter, level, outcome } = verdict;
  const published = publishedOf(earlier);
  if (published === null) return undefined;
  const artifact = artifactOf(outcome);
  const first = { signer: run.request.payload.aud, index };
  const whole =
    runVoidedBy(state, run, { index, artifact }, charter, [first]) ??
    // Inputs of the earlier run are no inputs of this one.
    evidenceVoidedBy(state, earlier, published, {});
  if (whole !== undefined) return whole;
  const reached = levelOfEarlier(state, run, { earlier, published, charter, index });
  if (atLeast(reached, provenBy(level))) return undefined;
  const all = revocationsIn(state, charter);
  const [voided] = earlier.receipts.flatMap((vote) => voteRevoked(all, vote) ?? []);
  return voided ?? all.at(-1);
}

function evidenceVoidedBy(
  state: ControllerState,
  run: RunFacts,
  published: PublishedFacts,
  inputs: Readonly<Record<string, Level>>,
): Revoked | undefined {
  const { verdict, endorsement } = published;
  const { index, charter, level, outcome } = verdict;
  const all = revocationsIn(state, charter);
  if (all.length === 0 || provenBy(level) === 'none') return undefined;
  const artifact = artifactOf(outcome);
  const last = endorsement.kind === 'witnessed' ? endorsement.size - 1 : index;
  const whole = runVoidedBy(state, run, { index, artifact, last }, charter);
  if (whole !== undefined) return whole;

  // The receipts that the verdict lists.
  const votes = run.receipts.filter((recorded) => precedes(recorded.index, index));
  const [voided] = votes.flatMap((vote) => voteRevoked(all, vote) ?? []);
  if (!staysWitnessed(run, published, all)) return all.at(-1);
  const endOf = (id: string) => revocationAt(all, { kind: 'key', id }, index);
  const cosigners = cosignersIn(endorsement);
  const [lapsed] = cosigners.flatMap((id) => endOf(id) ?? []);
  if (voided === undefined && lapsed === undefined) return undefined;
  const cosigned = cosigners.filter((id) => endOf(id) === undefined);
  const decision = decide(
    run.request.payload.policy,
    { kind: run.job.kind, votes, trustedKeys: charter.payload.trusted, cosigned, inputs },
    revocationsFor(all, index),
  );
  const result = decision.results.find((one) => one.result === verdict.result);
  const stands =
    level === 'failed'
      ? bearsFailure(decision, verdict.result)
      : result !== undefined && atLeast(result.level, provenBy(level));
  return stands ? undefined : (voided ?? lapsed);
}

/** The level of an earlier run's evidence for this run: co-signed by a trusted worker of this charter, or witnessed by enough operators. */
export function levelOfEarlier(
  state: ControllerState,
  run: RunFacts,
  on: { earlier: RunFacts; published: PublishedFacts; charter: Verified<Charter>; index: number },
): Decision['level'] {
  const { earlier, published, charter, index } = on;
  const { verdict, endorsement } = published;
  const { policy } = run.request.payload;
  const { trusted, witnesses } = charter.payload;
  const all = [...revocationsIn(state, charter), ...revocationsIn(state, verdict.charter)];
  const cosigned = trustedAmong(cosignersIn(endorsement), charter.payload, all, verdict.index);
  const decision = decideEarlier(
    decide,
    policy,
    {
      kind: run.job.kind,
      votes: earlier.receipts.filter((vote) => precedes(vote.index, verdict.index)),
      trustedKeys: trusted,
      cosigned,
      inputs: inputLevels(state, run),
    },
    revocationsFor(all, index),
  );
  const level = decision.results.find(({ result }) => result === verdict.result)?.level ?? 'none';
  if (level !== 'trusted' || cosigned.length > 0) return level;
  const sameWitnesses =
    witnesses === undefined || sameValue(witnesses, verdict.charter.payload.witnesses ?? null);
  const witnessed =
    !needsWitnesses(policy, 'trusted', verdict.outcome) ||
    (endorsement.kind === 'witnessed' && sameWitnesses && staysWitnessed(run, published, all));
  return witnessed ? level : 'agreed';
}

/** Decides a published verdict again; tells once that it is void, or that it stands again since the root ended the revoking key. */
export function reviewPublished(transition: Transition, run: RunFacts): void {
  const published = publishedOf(run);
  if (published === null) return;
  const { state } = transition;
  const by = run.revoked?.document;
  const isVoid = by !== undefined && endedKeys(state).voids(by.signer, by.id);
  if (run.revoked !== null && !isVoid) return;
  const { level, outcome } = published.verdict;
  const artifact = artifactOf(outcome);
  const revoked = verdictVoidedBy(state, run, published);
  run.revoked = revoked ?? null;
  if (revoked !== undefined) {
    const { what, since, reason } = revoked;
    return transition.tell(run, { kind: 'revoked', artifact, what: what.kind, id: what.id, since, reason });
  }
  if (!isVoid) return;
  state.recalls.delete(run.id);
  transition.tell(run, { kind: 'restored', level, artifact, key: by.signer });
}
