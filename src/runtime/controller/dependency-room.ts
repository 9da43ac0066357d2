import { assert } from '../../core/errors.ts';

/** Bounds of the dependencies that publishers bring to a controller: bytes, counts and milliseconds. */
export interface DependencyRoom {
  /** One tree. */
  treeBytesMax: number;
  /** All trees of one publisher. */
  publisherBytesMax: number;
  treesPerPublisherMax: number;
  /** All trees. */
  bytesMax: number;
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
  bringsMax: 8,
  bringsPerPublisherMax: 2,
  bringMsMax: 60 * 60_000,
  progressMs: 1_000,
};

assert(dependencyRoom.treeBytesMax <= dependencyRoom.publisherBytesMax, 'a publisher may bring a tree');
assert(dependencyRoom.publisherBytesMax < dependencyRoom.bytesMax, 'one publisher leaves room for another');
