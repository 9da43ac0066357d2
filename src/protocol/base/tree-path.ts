import { limits } from './limits.ts';
import { toUtf8, withoutControl } from './text.ts';

/** Whether a path stays below a folder: relative, without empty, `.` and `..` parts. */
export const isBelow = (path: string): boolean =>
  !path.startsWith('/') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

/** Why text cannot name an entry of a tree. */
type NameFlaw = 'dots' | 'separator' | 'encoding' | 'control' | 'length';

/** The rule for names in a tree, for outputs, reads, receipts and verdicts. Undefined where the name holds. */
export function flawOfName(name: string): NameFlaw | undefined {
  if (name === '' || name === '.' || name === '..') return 'dots';
  if (name.includes('/') || name.includes('\0')) return 'separator';
  // U+FFFD stands for bytes that were not UTF-8; lone surrogates have no UTF-8 encoding.
  if (name.includes('\ufffd') || !name.isWellFormed()) return 'encoding';
  if (!withoutControl.test(name)) return 'control';
  return toUtf8(name).length > limits.nameBytesMax ? 'length' : undefined;
}

/** Whether a path in a tree holds: relative, and each part of it by `flawOfName`. */
export const isTreePath = (path: string): boolean =>
  path.split('/').every((part) => flawOfName(part) === undefined);
