import {
  type Job,
  type Lease,
  makeReceipt,
  type Receipt,
  type Verified,
} from '../../protocol/documents/index.ts';
import type { BuildResult, SentReceipt } from './events.ts';

/** The receipt for a build under a lease. */
export function receiptOf(
  worker: string,
  job: Job,
  { id, payload }: Verified<Lease>,
  result: BuildResult,
): Receipt {
  return makeReceipt({
    worker,
    job,
    files: result.files,
    startedOn: result.startedOn,
    finishedOn: result.finishedOn,
    facts: {
      project: payload.project,
      job: payload.job,
      offer: payload.offer,
      lease: id,
      round: payload.round,
      slot: payload.slot,
      fence: payload.fence,
      operator: payload.operator,
      outcome: result.outcome,
      log: result.log,
      sandbox: result.sandbox,
      nonce: result.nonce,
      ...(result.link === undefined ? {} : { link: result.link }),
    },
  });
}

export const sentReceipt = (receipt: Receipt, result: BuildResult | null): SentReceipt => ({
  receipt,
  ...(result?.limit !== undefined && { limit: result.limit }),
});
