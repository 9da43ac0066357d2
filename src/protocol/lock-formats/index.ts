export * from './entry.ts';
export * from './index-document.ts';
export { base64OfHex, dirhashOf } from './integrity.ts';
export { decoded, fileOfUrl, purlOf } from './names.ts';
export type { Arch } from './platform.ts';
export { type Fixed, parseQuorateLock, writeQuorateLock } from './quorate-lock.ts';
export * from './read.ts';
