import type { ErrorCode } from '../../base/errors.ts';
import { toUtf8 } from '../../base/text.ts';
import {
  type Charter,
  canonicalText,
  decodeJob,
  filesOf,
  type Grant,
  idOf,
  isTrustedSlot,
  type Job,
  makeVerdict,
  type Offer,
  openMessage,
  openStatement,
  type Request,
  sameValue,
  type Verdict,
  type VerdictFacts,
  type Verified,
  type VerifiedStatement,
} from '../../documents/index.ts';
import {
  checkGrant,
  checkJob,
  checkLease,
  checkOffer,
  checkReceipt,
  checkRequest,
  openCharterOf,
} from '../../judge/index.ts';
import type { Vote } from '../evidence.ts';
import type { Ask, Authority, CheckedReceipt, Opened } from './context.ts';

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
    project,
    job: jobId,
    name,
    request: request.id,
    repo,
    ref,
    commit,
    policy,
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

/** Opens the charter; it must be signed by the root key that the consumer pins. */
export const openCharter = ({ bundle, expected, verifier, check }: Ask): Promise<Verified<Charter>> =>
  openCharterOf(bundle.charter, expected.project, verifier, check);

/** Opens the request and its publisher's grant; it must be from a publisher, for a repository that the charter allows. */
export async function openRequest(
  ask: Ask,
  charter: Charter,
): Promise<{ request: Verified<Request>; publisher: Verified<Grant> }> {
  const { bundle, verifier, check } = ask;
  const request = await openMessage('request', bundle.request, verifier);
  const publisher = await openMessage('grant', bundle.publisher, verifier);
  checkRequest(check, { request, publisher }, charter);
  return { request, publisher };
}

/** Opens the job that was asked for; the policy must be one that the charter allows for such a job. */
export function openJob(
  { bundle, check }: Ask,
  request: Request,
  charter: Charter,
): { job: Job; jobId: string } {
  const { job, id } = decodeJob(toUtf8(bundle.job));
  checkJob(check, request, { job }, charter);
  return { job, jobId: id };
}

/** Opens the offers of this request's rounds, which must follow each other. */
export async function openOffers(ask: Ask, authority: Authority): Promise<Verified<Offer>[]> {
  const { charter, request, publisher, jobId } = authority;
  const offers: Verified<Offer>[] = [];
  for (const raw of ask.bundle.offers) {
    const offer = await openMessage('offer', raw, ask.verifier);
    checkOffer(ask.check, offer, { charter: charter.payload, request, publisher, jobId });
    const { round, index } = offer.payload;
    const last = offers.at(-1)?.payload;
    const follows = round === offers.length + 1 && (last === undefined || last.index < index);
    ask.check('OFFER_ROUND', follows, `round ${round} does not follow the one before it`);
    offers.push(offer);
  }
  return offers;
}

/** Opens every receipt with its lease and its grant. */
export async function openReceipts(
  ask: Ask,
  authority: Authority,
  offers: readonly Verified<Offer>[],
): Promise<CheckedReceipt[]> {
  const { bundle, verifier, check } = ask;
  const charter = authority.charter.payload;
  const checked: CheckedReceipt[] = [];
  const seen = new Map<ErrorCode, Set<string>>();
  const once = (code: ErrorCode, what: string, message: string) => {
    const before = seen.get(code) ?? new Set();
    check(code, !before.has(what), message);
    seen.set(code, before.add(what));
  };
  for (const bundled of bundle.receipts) {
    const receipt = await openStatement('receipt', bundled.envelope, verifier);
    const lease = await openMessage('lease', bundled.lease, verifier);
    const grant = await openMessage('grant', bundled.grant, verifier);
    const { aud, operator, slot, fence, iat } = lease.payload;
    const offer = offers.find(({ id }) => id === lease.payload.offer);
    check('RECEIPT_WITHOUT_OFFER', offer !== undefined, `the offer for the receipt of ${aud} is missing`);
    if (offer === undefined) continue;
    checkLease(check, lease, offer, charter);
    const as = isTrustedSlot(slot) ? 'trusted-worker' : 'worker';
    checkGrant(check, grant, charter, { by: aud, as, at: iat });
    const granted = grant.payload.operator;
    check(
      'LEASE_OPERATOR_MISMATCH',
      granted === operator,
      `the lease of ${aud} is ${operator}'s, its grant ${granted}'s`,
    );
    checkReceipt(check, receipt, { id: lease.id, lease: lease.payload }, authority.job);
    once('RECEIPT_TWICE', receipt.id, `the receipt of ${aud} is in the bundle twice`);
    once('RECEIPT_SECOND', lease.id, `the lease of ${aud} has two receipts`);
    once('LEASE_FENCE_TWICE', idOf(fence), `the fence of ${aud}'s lease was given twice`);
    checked.push({ receipt, lease, grant, offer });
  }
  return checked;
}
