export type { Arch } from './arch.ts';
export type { Blob, Blobs, Wanted } from './blobs.ts';
export { type DebianOptions, debianSources, makeDebianRoot } from './debian.ts';
export { makeErofs } from './erofs.ts';
export type { ImageErrorCode } from './error-codes.ts';
export { type ImageSelection, isIndex, isManifest, type Layer, layersOf } from './layout.ts';
export { type ImageProgress, type ReadOptions, readImage, readImageFrom } from './read.ts';
