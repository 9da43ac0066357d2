import type { ErrorCode } from '../../base/errors.ts';
import {
  idOf,
  isTrustedSlot,
  type Offer,
  openMessage,
  openStatement,
  type Verified,
} from '../../documents/index.ts';
import { checkGrant, checkLease, checkReceipt } from '../../judge/index.ts';
import type { Ask, Authority, CheckedReceipt } from './context.ts';

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
