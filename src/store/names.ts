import { QuorateError, unreachable } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { limits } from '../protocol/base/limits.ts';
import { toUtf8 } from '../protocol/base/text.ts';
import { flawOfName } from '../protocol/base/tree-path.ts';
import type { StoreErrorCode } from './error-codes.ts';

/** Case-folded and normalized name. Names with equal folds are one file on some file systems. */
export function foldName(name: string): string {
  return name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}

/** Compares names in the byte order of their UTF-8 encoding, the order of links in a dag-pb directory. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const [x, y] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (x !== y) return rankOf(x) - rankOf(y);
  }
  return a.length - b.length;
}

/** UTF-16 in the order of code points, which is that of UTF-8: characters of two units come after all others. */
function rankOf(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Decodes a name from a file system or archive. @throws STORE_NAME_NOT_UTF8 when it is not UTF-8 */
export function decodeName(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    const says = `a name in ${printable(where)} is not UTF-8`;
    throw new QuorateError('STORE_NAME_NOT_UTF8', says, { hint: notUtf8, cause });
  }
}

/** Checks one component of a path. @throws STORE_NAME_REFUSED, STORE_NAME_NOT_UTF8, STORE_PATH_TOO_LONG */
export function checkName(name: string, path: string): void {
  const flaw = flawOfName(name);
  switch (flaw) {
    case undefined:
      return;
    case 'dots':
      throw refused(
        'STORE_NAME_REFUSED',
        path,
        'has an empty, "." or ".." part',
        'Paths of a tree are relative and plain, such as "bin/tool".',
      );
    case 'separator':
      throw refused('STORE_NAME_REFUSED', path, 'has a "/" or NUL inside a name');
    case 'control':
      throw refused(
        'STORE_NAME_REFUSED',
        path,
        'has a name with a control character or one that changes the direction of text',
        'Rename the file: no receipt can list such a name.',
      );
    case 'encoding':
      throw refused('STORE_NAME_NOT_UTF8', path, 'is not UTF-8', notUtf8);
    case 'length':
      throw new QuorateError(
        'STORE_PATH_TOO_LONG',
        `a name in ${printable(path)} is over ${limits.nameBytesMax} bytes`,
      );
    default:
      return unreachable(flaw, 'flaw of a name');
  }
}

const notUtf8 = 'Rename the file: names must be UTF-8.';
const refused = (code: StoreErrorCode, path: string, says: string, hint?: string): QuorateError =>
  new QuorateError(code, `the path ${printable(path)} ${says}`, { hint });

/** Splits and checks a path relative to the tree. @throws as `checkName`, and STORE_PATH_TOO_DEEP, STORE_PATH_ABSOLUTE */
export function splitPath(path: string): string[] {
  const { pathBytesMax, pathDepthMax } = limits;
  if (path.startsWith('/')) {
    const hint = 'Create the archive from inside the folder, with relative paths.';
    throw refused('STORE_PATH_ABSOLUTE', path, 'is absolute', hint);
  }
  if (toUtf8(path).length > pathBytesMax)
    throw refused('STORE_PATH_TOO_LONG', path, `is over ${pathBytesMax} bytes`);
  const parts = path.split('/');
  if (parts.length > pathDepthMax)
    throw refused('STORE_PATH_TOO_DEEP', path, `is over ${pathDepthMax} folders deep`);
  for (const part of parts) checkName(part, path);
  return parts;
}

/** Checks the text of a symbolic link; `Symlinks` checks where it leads. @throws STORE_LINK_REFUSED, STORE_NAME_NOT_UTF8 */
export function checkTarget(target: string, path: string): void {
  if (target.includes('\ufffd') || !target.isWellFormed())
    throw new QuorateError('STORE_NAME_NOT_UTF8', `the target of link ${printable(path)} is not UTF-8`);
  if (target === '' || target.includes('\0') || toUtf8(target).length > limits.pathBytesMax) {
    const says = `the link ${printable(path)} has an empty, over-long or odd target`;
    throw new QuorateError('STORE_LINK_REFUSED', says);
  }
  if (target.startsWith('/'))
    throw linkEscapes(`the link ${printable(path)} has the absolute target ${printable(target)}`);
}

export const linkEscapes = (message: string): QuorateError =>
  new QuorateError('STORE_LINK_ESCAPES', message, {
    hint: 'Use a relative link that stays inside the tree.',
  });
