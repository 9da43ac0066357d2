import { write, writev, writevSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { hasCode, messageOf, QuorateError } from '../protocol/base/errors.ts';

/** A file of the store cannot be opened or read, as an error with a code; one that has a code is passed on. */
export function unopened(cause: unknown, file: string): QuorateError {
  if (cause instanceof QuorateError) return cause;
  return new QuorateError('STORE_UNWRITABLE', `cannot open ${file}: ${messageOf(cause)}`, {
    hint: hasCode(cause, 'EISDIR')
      ? 'A folder lies in its place: move it away, and put the file back from a copy.'
      : 'The folder must exist, be writable by you and lie on a disk with room.',
    cause,
  });
}

const sqliteFull = 13;

/** Maps an error of a full disk to STORE_DISK_FULL; returns any other error unchanged. */
export function diskError(error: unknown, dir: string): unknown {
  const full = error instanceof Error && 'errcode' in error && error.errcode === sqliteFull;
  if (!full && !hasCode(error, 'ENOSPC', 'EDQUOT')) return error;
  return new QuorateError('STORE_DISK_FULL', `no space left for a block under ${dir}`, {
    hint: 'Free disk space. A worker keeps less with results and images under [lend] in worker.toml.',
    cause: error,
  });
}

const writes = { many: promisify(writev), one: promisify(write) };
/** A write of up to so many bytes to the page cache takes less than handing it to another thread. */
const atOnceBytes = 64 * 1024;

/** Writes all parts in order at offset `at`. Returns the number of bytes. */
export async function writeAll(file: number, parts: Uint8Array[], at: number): Promise<number> {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  let done =
    total <= atOnceBytes ? writevSync(file, parts, at) : (await writes.many(file, parts, at)).bytesWritten;
  if (done === total) return total;
  // A nearly full disk takes part of it; the next write then fails.
  const whole = Buffer.concat(parts);
  while (done < total) done += (await writes.one(file, whole, done, total - done, at + done)).bytesWritten;
  return total;
}

/** Syncs a folder, which makes created and renamed files durable. */
export async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
