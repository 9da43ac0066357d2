import { isTrustedSlot, leaves as leafOf } from '../../documents/index.ts';
import { openCheckpoint, verifyInclusion } from '../../transparency/index.ts';
import type { Vote } from '../evidence.ts';
import type { LogView } from '../log-view.ts';
import type { Ask, CheckedReceipt, Logged, Opened } from './context.ts';

/** Checks that every document the verdict rests on is in the log, under its signed checkpoint. */
export async function openLog(ask: Ask, opened: Opened): Promise<Logged> {
  const { bundle, verifier, check } = ask;
  const { charter, request, offers, receipts, verdict, jobId } = opened;
  const { project, log } = charter.payload;
  const checkpoint = await openCheckpoint(bundle.checkpoint, { project, log }, verifier);
  const places = new Map<string, number>();
  for (const entry of bundle.entries) {
    check('LOG_ENTRY_TWICE', !places.has(entry.leaf), `the bundle proves "${entry.leaf}" twice`);
    const proven = verifyInclusion({ ...entry, size: checkpoint.size, root: checkpoint.root });
    check('LOG_PROOF_INVALID', proven, `the log does not hold "${entry.leaf}" at ${entry.index}`);
    places.set(entry.leaf, entry.index);
  }
  const placeOf = (leaf: string): number => {
    const index = places.get(leaf);
    check('LOG_LEAF_MISSING', index !== undefined, `nothing shows that the log holds "${leaf}"`);
    return index ?? Number.MAX_SAFE_INTEGER;
  };
  for (const { id, payload } of offers) {
    const there = placeOf(leafOf.offer(id, jobId, request.id)) === payload.index;
    check(
      'OFFER_INDEX_MISMATCH',
      there,
      `the offer of round ${payload.round} is not at ${payload.index} of the log`,
    );
  }
  const verdictIndex = placeOf(leafOf.verdict(verdict.id, jobId));
  const votes = receipts.map((checked) => {
    const { receipt, offer, lease } = checked;
    const index = placeOf(leafOf.receipt(receipt.id, offer.id));
    const after = index > offer.payload.index;
    check(
      'RECEIPT_BEFORE_OFFER',
      after,
      `the receipt of ${lease.payload.aud} is in the log before its offer`,
    );
    const next = offers.find(({ payload }) => payload.round === offer.payload.round + 1);
    const sealedUntil = Math.min(next?.payload.index ?? verdictIndex, verdictIndex);
    return voteOf(checked, ask.resultOf(receipt.payload), index, sealedUntil);
  });
  if (ask.log !== undefined) rereadLog(ask, opened, { checkpoint, verdictIndex }, ask.log);
  return { checkpoint, votes, verdictIndex };
}

/** A receipt is sealed where its log index is below the next round's offer and the verdict. */
function voteOf(checked: CheckedReceipt, result: string | null, index: number, sealedUntil: number): Vote {
  const { receipt, lease, grant, offer } = checked;
  const { slot, round, operator, aud } = lease.payload;
  return {
    receipt: receipt.id,
    worker: aud,
    operator,
    issuer: grant.signer,
    role: isTrustedSlot(slot) ? 'trusted-worker' : 'worker',
    round,
    slot,
    index,
    enrolled: grant.payload.enrolled,
    offerIndex: offer.payload.index,
    outcome: receipt.payload.predicate.quorate_receipt.outcome,
    result,
    sealed: index < sealedUntil,
  };
}

/**
 * All leaves under the checkpoint: no round or receipt is left out, the verdict is nowhere before its place, the charter is the last one
 * before it, and operators were enrolled where their grants say.
 */
export function rereadLog(
  { check }: Pick<Ask, 'check'>,
  { charter, request, jobId, offers, receipts, verdict }: Opened,
  { checkpoint, verdictIndex }: Pick<Logged, 'checkpoint' | 'verdictIndex'>,
  known: LogView,
): void {
  const log = known.under(checkpoint.size);
  const same = checkpoint.size === log.size && log.root() === checkpoint.root;
  check('LOG_LEAVES_MISMATCH', same, 'the leaves are not those the checkpoint is over');
  const listed = new Set(receipts.map(({ receipt, offer }) => leafOf.receipt(receipt.id, offer.id)));
  const ours = new Set(offers.map(({ id }) => leafOf.offer(id, jobId, request.id)));
  const first = log.verdict(verdict.id);
  check(
    'VERDICT_LOGGED_BEFORE',
    first === undefined || first >= verdictIndex,
    `the verdict is at ${first} of the log already, and not for the first time at ${verdictIndex}`,
  );
  const last = log.charterBefore(verdictIndex);
  check(
    'CHARTER_NOT_IN_FORCE',
    last === leafOf.charter(charter.id),
    `the verdict rests on charter ${charter.id}; in the log "${last ?? 'none'}" is the last one before it`,
  );
  // With other inputs it is another job, of which nothing counts here.
  for (const leaf of log.rounds(request.id, jobId))
    check(
      'OFFER_DROPPED',
      ours.has(leaf),
      `the log holds "${leaf}", a round of this request that the bundle leaves out`,
    );
  for (const leaf of offers.flatMap(({ id }) => log.receipts(id)))
    check('RECEIPT_DROPPED', listed.has(leaf), `the log holds "${leaf}", which the bundle leaves out`);
  for (const { grant } of receipts) {
    const { operator, role, enrolled } = grant.payload;
    check(
      'ENROLMENT_NOT_LOGGED',
      log.enrolment(operator, role) === enrolled,
      `${operator} was not first enrolled at ${enrolled} of the log`,
    );
  }
}
