import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { QuorateError } from '../core/errors.ts';

export const hasCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

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

/** Writes all parts in order at offset `at`. Returns the number of bytes. */
export async function writeAll(handle: FileHandle, parts: Uint8Array[], at: number): Promise<number> {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  let { bytesWritten: done } = await handle.writev(parts, at);
  if (done === total) return total;
  // A nearly full disk takes part of it; the next write then fails.
  const whole = Buffer.concat(parts);
  while (done < total) {
    const { bytesWritten } = await handle.write(whole, done, total - done, at + done);
    done += bytesWritten;
  }
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
