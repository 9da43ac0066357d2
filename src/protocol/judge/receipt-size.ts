import { limits } from '../base/limits.ts';
import { toUtf8 } from '../base/text.ts';
import type { Job } from '../documents/index.ts';

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
