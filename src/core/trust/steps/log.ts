import { isTrustedSlot, leaves as leafOf } from '../../documents/index.ts';
import { type MerkleTree, openCheckpoint, verifyInclusion } from '../../transparency/index.ts';
import type { Vote } from '../evidence.ts';
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
 * Checks all leaves under the checkpoint: no round of this job of the request and no receipt of one is left out, the charter is the last one before the
 * verdict, and operators were enrolled where their grants say.
 */
function rereadLog(
  { check }: Ask,
  { charter, request, jobId, offers, receipts }: Opened,
  { checkpoint, verdictIndex }: Pick<Logged, 'checkpoint' | 'verdictIndex'>,
  log: MerkleTree,
): void {
  const { size } = checkpoint;
  const same = size <= log.size && log.root(size) === checkpoint.root;
  check('LOG_LEAVES_MISMATCH', same, 'the leaves are not those the checkpoint is over');
  const leaves = log.leaves(0, Math.min(size, log.size));
  const known = new Set(receipts.map(({ receipt, offer }) => leafOf.receipt(receipt.id, offer.id)));
  const ours = new Set(offers.map(({ id }) => id));
  const last = leaves.slice(0, verdictIndex).findLast((leaf) => leaf.startsWith('charter '));
  check(
    'CHARTER_NOT_IN_FORCE',
    last === leafOf.charter(charter.id),
    `the verdict rests on charter ${charter.id}; in the log "${last ?? 'none'}" is the last one before it`,
  );
  for (const leaf of leaves) {
    const [, round, job, of] = /^offer ([0-9a-f]{64}) job (\S+) request ([0-9a-f]{64})$/.exec(leaf) ?? [];
    // With other inputs it is another job, of which nothing counts here.
    const left = round !== undefined && of === request.id && job === jobId && !ours.has(round);
    check(
      'OFFER_DROPPED',
      !left,
      `the log holds "${leaf}", a round of this request that the bundle leaves out`,
    );
    const [, offer] = /^receipt [0-9a-f]{64} offer ([0-9a-f]{64})$/.exec(leaf) ?? [];
    const dropped = offer !== undefined && ours.has(offer) && !known.has(leaf);
    check('RECEIPT_DROPPED', !dropped, `the log holds "${leaf}", which the bundle leaves out`);
  }
  for (const { grant } of receipts) {
    const { operator, role, enrolled } = grant.payload;
    const first = leaves.findIndex((leaf) => leaf.startsWith(`enrol ${operator} ${role} `));
    check(
      'ENROLMENT_NOT_LOGGED',
      first === enrolled,
      `${operator} was not first enrolled at ${enrolled} of the log`,
    );
  }
}
