import { checkIndex, decodeIndex, readLocks } from '../../protocol/lock-formats/index.ts';
import type { Found, Question } from './messages.ts';

/** @throws what `readLocks`, `decodeIndex` and `checkIndex` throw */
export function read({ sources, index }: Question): Found {
  if (index === undefined) return { entries: readLocks(sources.locks, sources.files, sources.arch) };
  const decoded = decodeIndex(index).index;
  return { entries: checkIndex(decoded, sources), index: decoded };
}
