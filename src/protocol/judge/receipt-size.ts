import { limits } from '../base/limits.ts';
import { toUtf8 } from '../base/text.ts';
import type { Job, Policy } from '../documents/index.ts';
import { cosignersOrOne } from './policy.ts';

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

/** Bytes that one more round may add, with the builds of trusted workers: a result for each slot, and leases before it that ended without one. */
export function roundBytesMaxOf(job: Pick<Job, 'limits'>, policy: Pick<Policy, 'of' | 'cosign'>): number {
  const lost = (limits.slotLeasesMax - 1) * receiptShareOf(abortedBytes);
  return (policy.of + cosignersOrOne(policy)) * (receiptShareOf(receiptBytesMaxOf(job)) + lost);
}

/** Everything in a receipt but its files: names, ids, a detail, the repository's URL. */
const factsBytes = 16 * 1024;
/** A file of a receipt on average: its hash, and a path of 200 bytes. */
const fileBytes = 300;
/** A payload is in base64. */
const encoded = (bytes: number): number => Math.ceil((bytes * 4) / 3);

/** Files that the outputs of a job may be. */
export function outputFilesMaxOf({ limits: { files } }: Pick<Job, 'limits'>): number {
  return files ?? limits.outputFilesDefault;
}

/** The largest receipt for a job, as a message: what a worker may have its controller read, keep and pass on. */
export function receiptBytesMaxOf(job: Pick<Job, 'limits'>): number {
  return Math.min(limits.receiptBytesMax, encoded(factsBytes + outputFilesMaxOf(job) * fileBytes));
}

/** Whether a receipt that lists these files is small enough for its job. */
export function filesFit(
  job: Pick<Job, 'limits'>,
  files: readonly { path: string; sha256: string }[],
): boolean {
  if (files.length > outputFilesMaxOf(job)) return false;
  let bytes = factsBytes;
  for (const { path, sha256 } of files)
    bytes += toUtf8(JSON.stringify({ digest: { sha256 }, name: path })).length + 1;
  return encoded(bytes) <= receiptBytesMaxOf(job);
}
