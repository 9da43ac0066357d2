import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Bundle } from '../core/documents/index.ts';
import { codeOf, QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { sizeTexts } from '../core/quantity.ts';

/** Reads a bundle, an untrusted file. Throws `CLI_FILE_…`, `BUNDLE_UNREADABLE`. */
export async function readBundle(file: string): Promise<Bundle> {
  const { decodeBundle } = await import('../core/documents/index.ts');
  const text = await readBounded(file);
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

async function readBounded(file: string): Promise<string> {
  // Without O_NONBLOCK, opening a named pipe blocks until a process writes to it.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new QuorateError('CLI_FILE_UNREADABLE', `cannot read ${file}: ${why}`, {
      hint: 'Name the file that fetch --bundle-out wrote, and see that this user may read it.',
      cause,
    });
  });
  try {
    return await readWhole(handle, file);
  } finally {
    await handle.close();
  }
}

async function readWhole(handle: FileHandle, file: string): Promise<string> {
  const stats = await handle.stat();
  // The size of a pipe or a device is unknown.
  if (!stats.isFile()) {
    throw new QuorateError('CLI_FILE_UNREADABLE', `${file} is not a file`, {
      hint: 'Name the file that fetch --bundle-out wrote.',
    });
  }
  if (stats.size > limits.bundleBytesMax) {
    const [size, most] = sizeTexts(stats.size, limits.bundleBytesMax);
    throw new QuorateError('CLI_FILE_TOO_LARGE', `${file} has ${size}; no bundle has more than ${most}`, {
      hint: 'Name the file that fetch --bundle-out wrote.',
    });
  }
  return handle.readFile('utf8');
}
