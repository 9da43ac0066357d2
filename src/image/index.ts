export type { Blob, Blobs, Wanted } from './blobs.ts';
export { debianSources, makeDebianRoot } from './debian.ts';
export type { ImageErrorCode } from './error-codes.ts';
export type { Arch } from './layout.ts';
export { isIndex, isManifest, type Layer, layersOf } from './layout.ts';
export { type ImageProgress, readImage, readImageFrom } from './read.ts';
export { makeErofs } from './tool.ts';
