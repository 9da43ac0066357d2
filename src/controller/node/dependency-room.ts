import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { dependencyLimits } from '../../protocol/lock-formats/limits.ts';

/** Bounds of the dependencies that publishers bring to a controller: bytes, counts and milliseconds. */
export interface DependencyRoom {
  /** One tree. */
  treeBytesMax: number;
  /** All trees of one publisher. */
  publisherBytesMax: number;
  treesPerPublisherMax: number;
  /** All trees. */
  bytesMax: number;
  /** Indexes of trees that were let go of: those of one publisher, and all. */
  publisherIndexesMax: number;
  publisherIndexBytesMax: number;
  indexBytesMax: number;
  /** Trees that are fetched at once: what they have comes on top until they are here. */
  bringsMax: number;
  bringsPerPublisherMax: number;
  /** Until a tree has to be here. */
  bringMsMax: number;
  /** Between two messages to who brings it. */
  progressMs: number;
}

/** The largest known front ends have 2 GiB of packages. */
export const dependencyRoom: DependencyRoom = {
  treeBytesMax: 4 * 1024 ** 3,
  publisherBytesMax: 16 * 1024 ** 3,
  treesPerPublisherMax: 200,
  bytesMax: 64 * 1024 ** 3,
  // One of a thousand packages has 350 KB. Each has two files in the folder of pins.
  publisherIndexesMax: 2_000,
  publisherIndexBytesMax: 1024 ** 3,
  indexBytesMax: 4 * 1024 ** 3,
  bringsMax: 8,
  bringsPerPublisherMax: 2,
  bringMsMax: 60 * 60_000,
  progressMs: 1_000,
};

assert(dependencyRoom.treeBytesMax <= dependencyRoom.publisherBytesMax, 'a publisher may bring a tree');
assert(dependencyRoom.publisherBytesMax < dependencyRoom.bytesMax, 'one publisher leaves room for another');
assert(
  dependencyLimits.indexBytesMax <= dependencyRoom.publisherIndexBytesMax &&
    dependencyRoom.publisherIndexBytesMax < dependencyRoom.indexBytesMax,
  'a publisher may leave any index, and leaves room for those of another',
);

const { treeBytesMax, bytesMax, publisherIndexesMax, bringMsMax } = dependencyRoom;
assert(bytesMax <= 8 * limits.treeBytesMax, 'all of them take the room of a few trees');
assert(
  dependencyRoom.bringsMax * treeBytesMax <= bytesMax,
  'trees on their way take no more room than those here',
);
assert(dependencyRoom.bringsPerPublisherMax < dependencyRoom.bringsMax, 'another publisher may bring one');
assert(dependencyRoom.indexBytesMax <= bytesMax / 16, 'indexes are a small part');
assert(
  publisherIndexesMax * 350_000 <= dependencyRoom.publisherIndexBytesMax,
  'the indexes of a publisher have room',
);
assert(dependencyRoom.treesPerPublisherMax < publisherIndexesMax, 'an index outlives its tree');
assert(treeBytesMax >= (bringMsMax / 1000) * 2 ** 20, 'the largest tree has its time for 1 MiB a second');
assert(60 * dependencyRoom.progressMs <= bringMsMax, 'who brings one hears of it meanwhile');
