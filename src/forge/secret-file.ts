import { open } from 'node:fs/promises';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';

const bytesMax = 4096;

/** Reads the one line of a file that only its owner may read. @throws FORGE_TOKEN_UNREADABLE */
export async function readSecret(path: string): Promise<string> {
  const refuse = (why: string, cause?: unknown) =>
    new QuorateError('FORGE_TOKEN_UNREADABLE', `${path} ${why}`, {
      hint: 'Write the token or the secret into it as one line, and let only yourself read it: chmod 600.',
      ...(cause !== undefined && { cause }),
    });
  try {
    const file = await open(path, 'r');
    try {
      const { mode, size } = await file.stat();
      if ((mode & 0o077) !== 0) throw refuse('may be read by others');
      if (size > bytesMax) throw refuse(`has over ${bytesMax} bytes`);
      const text = (await file.readFile('utf8')).trim();
      if (!/^[\x21-\x7e]+$/.test(text)) throw refuse('does not hold one word');
      return text;
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause;
    throw refuse(`cannot be read: ${messageOf(cause)}`, cause);
  }
}
