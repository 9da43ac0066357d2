export type { Ecosystem, Entry, Integrity, Origin, Platform } from './entry.ts';
export type { Arch } from './platform.ts';
export { type Fixed, parseQuorateLock, writeQuorateLock } from './quorate-lock.ts';
export { filesOfLocks, quorateLock, readLocks } from './read.ts';
