import type { DependencyIndex, Entry, LockSources } from '../../core/dependencies/index.ts';

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

/** The only message of the thread. An error is that of `readLocks`, `decodeIndex` or `checkIndex`. */
export type Answer =
  | { ok: true; found: Found }
  | { ok: false; code: string; message: string; hint: string | undefined };
