import {
  checkIndex,
  type DependencyIndex,
  decodeIndex,
  type Entry,
  type LockSources,
  readLocks,
} from '../../protocol/lock-formats/index.ts';

/** The question that the thread is started with. `index`: the bytes of one that is compared with the lock files. */
export interface Question {
  sources: LockSources;
  index?: Uint8Array;
}

/** Files that lock files demand. `index` is there where one was compared. */
export interface Found {
  entries: Entry[];
  index?: DependencyIndex;
}

export type Answer<T> =
  | { ok: true; found: T }
  | { ok: false; code: string; message: string; hint: string | undefined };

/** @throws what `readLocks`, `decodeIndex` and `checkIndex` throw */
export function read({ sources, index }: Question): Found {
  if (index === undefined) return { entries: readLocks(sources.locks, sources.files, sources.arch) };
  const decoded = decodeIndex(index).index;
  return { entries: checkIndex(decoded, sources), index: decoded };
}
