import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backupLimits } from './limits.ts';

const { pieceBytes } = backupLimits;

export interface Copied {
  bytes: number;
  sha256: string;
}

/** Copies what a file holds now into a new one of mode 0600, synced; or only reads it. @throws errors of the system; `ENOENT` is of the first file */
export async function copyFile(from: string, to: string | undefined, signal: AbortSignal): Promise<Copied> {
  const source = await open(from, 'r');
  let target: FileHandle | undefined;
  try {
    if (to !== undefined) {
      await mkdir(dirname(to), { recursive: true, mode: 0o700 });
      target = await open(to, 'w', 0o600);
    }
    const sum = createHash('sha256');
    const piece = Buffer.allocUnsafe(pieceBytes);
    let bytes = 0;
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await source.read(piece, 0, pieceBytes, bytes);
      if (bytesRead === 0) break;
      const part = piece.subarray(0, bytesRead);
      sum.update(part);
      for (let at = 0; target !== undefined && at < bytesRead; )
        at += (await target.write(part, at, bytesRead - at, bytes + at)).bytesWritten;
      bytes += bytesRead;
    }
    await target?.sync();
    return { bytes, sha256: sum.digest('hex') };
  } finally {
    await target?.close();
    await source.close();
  }
}
