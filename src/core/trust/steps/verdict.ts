import {
  idOf,
  isTrustedSlot,
  makeVerdict,
  openStatement,
  type Verdict,
  type VerdictFacts,
  type VerifiedStatement,
} from '../../documents/index.ts';
import { sameOutcome, type Vote } from '../evidence.ts';
import type { Ask, Authority, Opened } from './context.ts';

export function factsOf(verdict: VerifiedStatement<Verdict>): VerdictFacts {
  return verdict.payload.predicate.quorate_verdict;
}

/** Opens the verdict; it must be signed by a controller and about this request. */
export async function openVerdict(ask: Ask, authority: Authority): Promise<VerifiedStatement<Verdict>> {
  const { bundle, verifier, check } = ask;
  const { charter, request, job, jobId } = authority;
  const verdict = await openStatement('verdict', bundle.verdict, verifier);
  const byController = charter.payload.controllers.includes(verdict.signer);
  check('VERDICT_ISSUER_MISMATCH', byController, `the verdict is signed by ${verdict.signer}, no controller`);
  const { level: _level, outcome: _outcome, receipts: _receipts, ...said } = factsOf(verdict);
  const { repo, ref, commit, policy, project } = request.payload;
  const asked = { project, job: jobId, name: job.name, request: request.id, repo, ref, commit, policy };
  check(
    'VERDICT_REQUEST_MISMATCH',
    idOf(said) === idOf(asked),
    'the verdict is not about the request beside it',
  );
  const { subject, predicate } = verdict.payload;
  const made = makeVerdict({
    controller: verdict.signer,
    time: predicate.timeVerified,
    files: subject.slice(1).map(({ name, digest }) => ({ path: name, sha256: digest.sha256 })),
    facts: factsOf(verdict),
  });
  check('VERDICT_MISMATCH', idOf(made) === verdict.id, 'the verdict contradicts itself');
  return verdict;
}

/** The verdict must list exactly the receipts of the bundle, dissent included, each with its log index. */
export function checkReceiptList({ check }: Ask, opened: Opened, votes: readonly Vote[]): void {
  const listed = factsOf(opened.verdict).receipts.map((line) => idOf(line));
  const held = votes.map(({ receipt, worker, operator, slot, round, index, outcome }) =>
    idOf({ receipt, worker, operator, slot, round, index, outcome }),
  );
  const same = idOf(listed.sort()) === idOf(held.sort());
  check('VERDICT_RECEIPTS_MISMATCH', same, 'the verdict does not list exactly the receipts beside it');
}

/**
 * The files and their hashes must be those that a trusted worker with the same outcome lists, or else N of the operators: a
 * receipt may have the right tree and wrong file hashes.
 */
export function checkSubjects(
  { check }: Ask,
  { verdict, receipts, request }: Opened,
  agreed: { operators: readonly string[]; round: number },
): void {
  const { outcome } = factsOf(verdict);
  const wanted = idOf(verdict.payload.subject);
  const alike = receipts.filter(({ receipt: { payload } }) => {
    const built = payload.predicate.quorate_receipt.outcome;
    return outcome !== null && sameOutcome(built, outcome) && idOf(payload.subject) === wanted;
  });
  const byTrusted = alike.some(({ lease }) => isTrustedSlot(lease.payload.slot));
  const by = alike.filter(
    ({ lease }) => lease.payload.round === agreed.round && !isTrustedSlot(lease.payload.slot),
  );
  const operators = new Set(by.map(({ lease }) => lease.payload.operator));
  const enough = agreed.operators.filter((o) => operators.has(o)).length >= request.payload.policy.agree;
  check(
    'VERDICT_SUBJECTS_MISMATCH',
    byTrusted || enough,
    'the verdict lists other files than the builds it rests on',
  );
}
