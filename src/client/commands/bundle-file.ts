import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { sizeTexts } from '../../protocol/base/quantity.ts';
import type { Bundle } from '../../protocol/documents/index.ts';

const bundleHint = 'Name the file that fetch --bundle-out wrote.';

/** Reads a bundle, an untrusted file. `hint`: which file is meant. @throws {QuorateError} `CLI_FILE_…`, `BUNDLE_UNREADABLE` */
export async function readBundle(file: string, hint = bundleHint): Promise<Bundle> {
  const { decodeBundle } = await import('../../protocol/documents/index.ts');
  const text = await readText(file, hint);
  try {
    return decodeBundle(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new QuorateError('BUNDLE_UNREADABLE', `${file} proves nothing: ${why}`, {
      hint:
        codeOf(cause) === 'DOC_NEWER'
          ? 'Update Quorate; or fetch the artifact again, with --bundle-out.'
          : 'Fetch the artifact again, with --bundle-out.',
      cause,
    });
  }
}

/** Reads the file that fetch --index-out wrote, which is not checked here. @throws {QuorateError} `CLI_FILE_…` */
export async function readIndexBytes(file: string): Promise<Uint8Array> {
  const { artifactLimits } = await import('../../node/artifacts/limits.ts');
  const hint = 'Name the file that fetch --index-out wrote.';
  return readBytes(file, hint, artifactLimits.indexFileBytesMax);
}

/** The text of a file from elsewhere, bounded. `hint`: which file is meant. @throws {QuorateError} `CLI_FILE_…` */
export async function readText(file: string, hint: string): Promise<string> {
  return (await readBytes(file, hint, limits.bundleBytesMax)).toString('utf8');
}

async function readBytes(file: string, hint: string, bytesMax: number): Promise<Buffer> {
  // Without O_NONBLOCK, opening a named pipe blocks until a process writes to it.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new QuorateError('CLI_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: `${hint} This user must be able to read it.`,
      cause,
    });
  });
  try {
    return await readWhole(handle, file, hint, bytesMax);
  } finally {
    await handle.close();
  }
}

async function readWhole(handle: FileHandle, file: string, hint: string, bytesMax: number): Promise<Buffer> {
  const stats = await handle.stat();
  // The size of a pipe or a device is unknown.
  if (!stats.isFile()) throw new QuorateError('CLI_FILE_UNREADABLE', `${file} is not a file`, { hint });
  if (stats.size > bytesMax) {
    const [size, most] = sizeTexts(stats.size, bytesMax);
    throw new QuorateError('CLI_FILE_UNREADABLE', `${file} has ${size}; at most ${most} are read`, { hint });
  }
  return handle.readFile();
}
