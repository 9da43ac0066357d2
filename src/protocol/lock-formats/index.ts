export { type BlobDigests, checkBlob, checkIndex } from './check.ts';
export { dirhashOf } from './dirhash.ts';
export type { Ecosystem, Entry, Found, Integrity, Origin, Platform } from './entry.ts';
export {
  type BlobFacts,
  blobKey,
  type DependencyBlob,
  type DependencyIndex,
  decodeIndex,
  encodeIndex,
  indexName,
  type LockSources,
  makeIndex,
} from './index-document.ts';
export { base64OfHex } from './integrity.ts';
export { decoded, fileOfUrl, purlOf } from './names.ts';
export { type OpenFiles, openFiles } from './open.ts';
export type { Arch } from './platform.ts';
export { type Fixed, parseQuorateLock, writeQuorateLock } from './quorate-lock.ts';
export { filesOfLocks, quorateLock, readLocks } from './read.ts';
