import { codeOf, messageOf } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { type Entry, readLocks } from '../../../src/protocol/lock-formats/index.ts';

/** Where the packages of these tests come from. */
export const host = 'https://packages.example';
/** A hash of npm's, of no file in particular: bytes that are all zero. */
export const sha512 = `sha512-${'A'.repeat(86)}==`;
export const sha256 = '12'.repeat(32);

/** The code that a call throws. */
export function codeThrown(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return codeOf(error);
  }
  return 'none';
}

/** The code that a call throws, and its message, which begins with the place in the lock file. */
export function faultOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return `${codeOf(error)} ${messageOf(error)}`;
  }
  return 'none';
}

/** Entries of the lock files in a source tree, and of a `quorate.lock` with these lines, for x86_64. */
export function read(files: Readonly<Record<string, string>>, fixed: readonly string[] = []): Entry[] {
  const tree = new Map(Object.entries(files).map(([path, text]) => [path, toUtf8(text)]));
  if (fixed.length > 0) tree.set('quorate.lock', toUtf8(['quorate-lock 1', ...fixed, ''].join('\n')));
  const locks = Object.keys(files).filter((path) => !path.endsWith('go.mod'));
  return readLocks(locks, tree, 'x86_64');
}
