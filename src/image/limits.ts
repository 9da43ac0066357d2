import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

export const imageLimits = {
  /** Layers of one image. Container tools stop at 127. */
  layersMax: 128,
  /** Blobs of one image archive, those of other images in it included. */
  blobsMax: 10_000,
  /** An index, manifest or configuration. Container tools refuse larger ones too. */
  manifestBytesMax: 4 * 1024 * 1024,
  /** Indexes within indexes: one for tags, one for processors, and one more. */
  indexDepthMax: 3,
  /** All layers unpacked: later layers replace files of earlier ones, so this is twice the size of a tree. */
  layerBytesMax: 16 * 1024 * 1024 * 1024,
  /** Entries of all layers: more than twice those of a tree, for the same reason. */
  entriesMax: 500_000,
  /** Steps from directory to directory while layers are merged: 100 for each entry. */
  stepsMax: 50_000_000,
  /** Symbolic links followed while one path is resolved, as Linux does (path_resolution(7)). */
  linksMax: 40,
  /** A program that makes an image, such as mmdebstrap: a large image from a slow mirror. */
  makeSecondsMax: 3600,
} as const;

assert(imageLimits.layerBytesMax >= 2 * limits.treeBytesMax, 'layers replace files of a full tree');
assert(imageLimits.entriesMax >= 2 * limits.treeEntriesMax, 'layers replace entries of a full tree');
assert(imageLimits.stepsMax >= limits.pathDepthMax * imageLimits.entriesMax, 'each entry can be reached');
assert(imageLimits.layersMax < imageLimits.blobsMax, 'an archive holds all layers of an image');
