export type { Arch } from './arch.ts';
export { type DebianOptions, debianSources, makeDebianRoot } from './debian.ts';
export { makeErofs } from './erofs.ts';
export type { ImageErrorCode } from './error-codes.ts';
export { type ImageProgress, type ReadOptions, readImage } from './read.ts';
