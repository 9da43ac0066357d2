import { artifactOf, filesOf, sameValue } from '../../documents/index.ts';
import { decideEarlier, mayBeAnswered } from '../earlier.ts';
import { atLeast, provenBy } from '../evidence.ts';
import { revocationsFor, trustedAmong } from '../revocations.ts';
import type { Ask, Logged, Opened } from './context.ts';
import { type Decided, signaturesNeeded } from './decision.ts';
import { checkReceiptList, factsOf } from './documents.ts';
import type { Checked, InputEvidence, Proven } from './inputs.ts';

/** The rounds of a bundle are those that its verdict rests on: its own, or none where it rests on an earlier request. */
export function checkRounds({ check }: Pick<Ask, 'check'>, { offers, receipts, verdict }: Opened): void {
  const rounds = offers.length + receipts.length;
  if (factsOf(verdict).earlier === undefined)
    return check('OFFER_MISSING', offers.length > 0, 'the bundle holds no round of the request');
  check(
    'EARLIER_WITH_ROUNDS',
    rounds === 0,
    'the verdict rests on an earlier request, and the job was built for this one too',
  );
}

/**
 * The evidence of the earlier request that a verdict rests on: of the same job, from its own bundle, verified whole but for its inputs;
 * those of this request count.
 */
export async function openEarlier(
  { check }: Pick<Ask, 'check'>,
  { request, job, jobId, verdict }: Opened,
  { verdictIndex }: Logged,
  evidence: InputEvidence,
): Promise<Proven | undefined> {
  const { earlier, outcome, level: stated } = factsOf(verdict);
  if (earlier === undefined) return undefined;
  check(
    'EARLIER_NOT_ALLOWED',
    mayBeAnswered(job),
    'the job is built in the image of whoever builds it, or with a network: what came of it once says nothing of another time',
  );
  check('REBUILD_ASKED', !request.payload.rebuild, 'the request asks for the job to be built again');
  check(
    'EARLIER_OWN_REQUEST',
    earlier.request !== request.id,
    'the verdict rests on another one of its own request: a run is no evidence for itself',
  );
  const held: Checked | undefined = await evidence.earlier(earlier.request);
  check(
    'EARLIER_EVIDENCE_MISSING',
    held !== undefined,
    `nothing shows what became of the earlier request ${earlier.request}`,
  );
  if (held === undefined) return undefined;
  const { proven, steps } = held;
  const says = steps.find((step) => !step.ok)?.says ?? '';
  check('EARLIER_NOT_VERIFIED', held.ok, `the evidence of the earlier request does not hold: ${says}`);
  if (proven === undefined) return undefined;
  const { opened, logged } = proven;
  const before = factsOf(opened.verdict);
  check(
    'EARLIER_VERDICT_MISMATCH',
    opened.request.id === earlier.request && opened.verdict.id === earlier.verdict,
    'the evidence is about another request or verdict than the one that is named',
  );
  check(
    'EARLIER_JOB_MISMATCH',
    opened.jobId === jobId,
    `the evidence is about another job: ${opened.jobId}, and not ${jobId}`,
  );
  check(
    'EARLIER_OUTCOME_MISMATCH',
    sameValue(outcome, before.outcome),
    `the verdict is about ${outcome === null ? 'nothing' : (artifactOf(outcome) ?? 'no artifact')}; what was built is another outcome`,
  );
  check(
    'EARLIER_NOT_EARLIER',
    logged.verdictIndex < verdictIndex,
    'the verdict rests on one that is after it in the log',
  );
  check(
    'EARLIER_BELOW_LEVEL',
    provenBy(stated) === 'none' || atLeast(held.level, provenBy(stated)),
    `the verdict says "${stated}"; by the evidence of its own request the earlier one was ${held.level}`,
  );
  return proven;
}

/** Decides again on the earlier request's votes under this policy. The verdict lists neither receipts nor files. */
export function decideOnEarlier(ask: Ask, opened: Opened, logged: Logged, proven: Proven): Decided {
  const { charter, request, job, inputs, verdict } = opened;
  const { trusted } = charter.payload;
  const { level: stated } = factsOf(verdict);
  checkReceiptList(ask, opened, []);
  ask.check(
    'VERDICT_SUBJECTS_MISMATCH',
    filesOf(verdict.payload).length === 0,
    'the verdict lists files of a job that was not built for its request',
  );
  const { votes, verdictIndex } = proven.logged;
  const cosigners = trustedAmong(proven.cosigners, charter.payload, ask.revoked, verdictIndex);
  const decision = decideEarlier(
    ask.decide,
    request.payload.policy,
    // Whether a trusted worker signed is a step of its own.
    { kind: job.kind, votes, trustedKeys: trusted, cosigned: trusted, inputs },
    revocationsFor(ask.revoked, logged.verdictIndex),
  );
  const about = ask.resultOf(proven.opened.verdict.payload);
  const ranked = decision.results.find(({ result }) => result === about);
  const bears =
    (stated === 'trusted' || stated === 'agreed') && ranked !== undefined && atLeast(ranked.level, stated);
  ask.check(
    'VERDICT_UNSUPPORTED_BY_EVIDENCE',
    bears,
    `the verdict says "${stated}"; under the policy of this request the receipts of the earlier one come to "${ranked?.level ?? 'none'}"`,
  );
  return { level: provenBy(stated), operators: ranked?.operators ?? [], cosigners };
}

/**
 * The earlier co-signature is of a trusted worker that today's charter names, where this policy requires one. A second signature of
 * this verdict is for its place in the log.
 */
export function checkEarlierCosignature(
  { check }: Pick<Ask, 'check'>,
  { charter, request, verdict }: Opened,
  cosigners: readonly string[],
): void {
  for (const key of verdict.signers.slice(1))
    check(
      'COSIGN_NOT_TRUSTED_KEY',
      charter.payload.trusted.includes(key),
      `${key} co-signed the verdict; the charter does not name that key`,
    );
  const { level, outcome } = factsOf(verdict);
  const needed = signaturesNeeded(request.payload.policy, outcome);
  if (level !== 'trusted' || needed === 0) return;
  check(
    'COSIGN_MISSING',
    cosigners.length >= needed,
    `this request asks for co-signatures of trusted workers that the charter names today; the earlier verdict has ${cosigners.length} of ${needed}`,
  );
}
