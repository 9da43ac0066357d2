import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { dependencyLimits } from '../../protocol/lock-formats/limits.ts';

/** Bounds of the dependencies that publishers bring to a controller: bytes, counts and milliseconds. */
export const dependencyRoom = {
  /** One tree. The largest known front ends have 2 GiB of packages. */
  treeBytesMax: 4 * 1024 ** 3,
  /** All trees of one publisher. */
  publisherBytesMax: 16 * 1024 ** 3,
  treesPerPublisherMax: 200,
  /** All trees. */
  bytesMax: 64 * 1024 ** 3,
  /** Indexes of trees that were let go of, of one publisher and all: 350 KB each for a thousand packages, in two files. */
  publisherIndexesMax: 2_000,
  publisherIndexBytesMax: 1024 ** 3,
  indexBytesMax: 4 * 1024 ** 3,
  /** Trees that are fetched at once: what they have comes on top until they are here. */
  bringsMax: 8,
  bringsPerPublisherMax: 2,
  /** Until a tree has to be here. */
  bringMsMax: 60 * 60_000,
  /** Between two messages to who brings it. */
  progressMs: 1_000,
};
export type DependencyRoom = typeof dependencyRoom;

const own = dependencyRoom;
assert(own.treeBytesMax <= own.publisherBytesMax, 'a publisher may bring a tree');
assert(own.publisherBytesMax < own.bytesMax, 'one publisher leaves room for another');
assert(
  dependencyLimits.indexBytesMax <= own.publisherIndexBytesMax &&
    own.publisherIndexBytesMax < own.indexBytesMax,
  'a publisher may leave any index, and leaves room for those of another',
);

assert(own.bytesMax <= 8 * limits.treeBytesMax, 'all of them take the room of a few trees');
assert(
  own.bringsMax * own.treeBytesMax <= own.bytesMax,
  'trees on their way take no more room than those here',
);
assert(own.bringsPerPublisherMax < own.bringsMax, 'another publisher may bring one');
assert(own.indexBytesMax <= own.bytesMax / 16, 'indexes are a small part');
assert(
  own.publisherIndexesMax * 350_000 <= own.publisherIndexBytesMax,
  'the indexes of a publisher have room',
);
assert(own.treesPerPublisherMax < own.publisherIndexesMax, 'an index outlives its tree');
assert(
  own.treeBytesMax >= (own.bringMsMax / 1000) * 2 ** 20,
  'the largest tree has its time for 1 MiB a second',
);
assert(60 * own.progressMs <= own.bringMsMax, 'who brings one hears of it meanwhile');
