import { limits } from '../base/limits.ts';
import type { Job, Policy } from '../documents/index.ts';
import { receiptBytesMaxOf } from './receipt-size.ts';

/** Of a run beside its job and receipts: charter, request, grants, offers, checkpoint with its witnesses. */
const documentsBytes = 96 * 1024;
/** Of a receipt beside its envelope: lease, grant, proof, and its lines in the verdict. */
const besideReceiptBytes = 12 * 1024;
/** The envelope of a build that was aborted: it lists no files. */
const abortedBytes = 8 * 1024;

/** Bytes that a bundle holds of a run without any receipts, at most. `jobBytes`: of the job as a document. */
export function runBytesMaxOf(job: Pick<Job, 'limits'>, jobBytes: number): number {
  // A verdict lists the same files as a receipt.
  return documentsBytes + jobBytes + receiptBytesMaxOf(job);
}

/** Bytes that it holds of a receipt whose envelope has this length, at most. */
export const receiptShareOf = (envelopeBytes: number): number => envelopeBytes + besideReceiptBytes;

/** Bytes that one more round may add, with the build of the trusted worker: a result for each slot, and leases before it that ended without one. */
export function roundBytesMaxOf(job: Pick<Job, 'limits'>, { of }: Pick<Policy, 'of'>): number {
  const lost = (limits.slotLeasesMax - 1) * receiptShareOf(abortedBytes);
  return (of + 1) * (receiptShareOf(receiptBytesMaxOf(job)) + lost);
}
