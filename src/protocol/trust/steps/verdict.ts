import {
  canonicalText,
  filesOf,
  makeVerdict,
  openStatement,
  sameValue,
  type Verdict,
  type VerdictFacts,
  type VerifiedStatement,
} from '../../documents/index.ts';
import type { Vote } from '../evidence.ts';
import type { Ask, Authority, Opened } from './context.ts';

export function factsOf(verdict: VerifiedStatement<Verdict>): VerdictFacts {
  return verdict.payload.predicate.quorate_verdict;
}

/** Opens the verdict; it must be signed by a controller and about this request. */
export async function openVerdict(ask: Ask, authority: Authority): Promise<VerifiedStatement<Verdict>> {
  const { bundle, verifier, check } = ask;
  const { charter, request, job, jobId } = authority;
  const verdict = await openStatement('verdict', bundle.verdict, verifier);
  const byController =
    charter.payload.controllers.includes(verdict.signer) && verdict.signer === request.payload.aud;
  check(
    'VERDICT_ISSUER_MISMATCH',
    byController,
    `the verdict is signed by ${verdict.signer}, not by the controller that was asked`,
  );
  const {
    level: _level,
    outcome: _outcome,
    receipts: _receipts,
    earlier: _earlier,
    more: _more,
    ...said
  } = factsOf(verdict);
  const { repo, ref, commit, recipe, policy, project } = request.payload;
  const { name, kind } = job;
  const asked = {
    ...{ project, job: jobId, name, request: request.id, repo, ref, commit, policy },
    ...(kind !== undefined && { kind }),
    ...(recipe !== undefined && { recipe }),
  };
  check('VERDICT_REQUEST_MISMATCH', sameValue(said, asked), 'the verdict is not about the request beside it');
  const { predicate } = verdict.payload;
  const made = makeVerdict({
    controller: verdict.signer,
    time: predicate.timeVerified,
    files: filesOf(verdict.payload),
    facts: factsOf(verdict),
  });
  check('VERDICT_MISMATCH', sameValue(made, verdict.payload), 'the verdict contradicts itself');
  return verdict;
}

/** The verdict must list exactly the receipts of the bundle, dissent included, each with its log index. */
export function checkReceiptList({ check }: Ask, opened: Opened, votes: readonly Vote[]): void {
  const listed = factsOf(opened.verdict).receipts.map((line) => canonicalText(line));
  const held = votes.map(({ receipt, worker, operator, slot, round, index, outcome }) =>
    canonicalText({ receipt, worker, operator, slot, round, index, outcome }),
  );
  const same = sameValue(listed.sort(), held.sort());
  check('VERDICT_RECEIPTS_MISMATCH', same, 'the verdict does not list exactly the receipts beside it');
}
