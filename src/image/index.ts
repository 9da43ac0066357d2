export type { Blob, Blobs, Wanted } from './blobs.ts';
export { type DebianOptions, debianSources, makeDebianRoot } from './debian.ts';
export type { ImageErrorCode } from './error-codes.ts';
export type { Arch } from './layout.ts';
export { type ImageSelection, isIndex, isManifest, type Layer, layersOf } from './layout.ts';
export { type ImageProgress, type ReadOptions, readImage, readImageFrom } from './read.ts';
export { makeErofs } from './tool.ts';
