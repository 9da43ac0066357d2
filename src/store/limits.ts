import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

export const storeLimits = {
  /** Files and blocks read or written at once: more than the thread pool can use, and at 1 MiB each little memory. */
  blockTasksMax: 16,
  /** Blocks requested from one peer at once, up to 1 MiB of memory each. Bitswap stalls for good at some thousands. */
  pullWantsMax: 24,
  /** Time without a verified block after which a pull ends. */
  pullIdleSecondsMax: 30,
  /** Age below which unpinned blocks survive a sweep: an import is pinned only when it has ended. */
  sweepGraceSeconds: 3600,
  /** One pack file. A sweep rewrites whole packs, so this bounds the bytes moved to win back half of one. */
  packBytesMax: 64 * 1024 * 1024,
  /** A sealed area up to this size is copied when it is published, so that small builds do not leave a file each. */
  packCopyBytesMax: 8 * 1024 * 1024,
  /** Blocks accepted but not yet written: memory, and the time writers wait for a slow disk. */
  packUnwrittenBytesMax: 16 * 1024 * 1024,
  /** Files from this size on are linked to. Smaller ones are many, and hold few of the bytes of an image. */
  linkedBytesMin: 16 * 1024,
} as const;

const own = storeLimits;
assert(limits.blockBytesMax <= own.packUnwrittenBytesMax, 'the largest block can be written');
assert(own.packUnwrittenBytesMax <= own.packBytesMax, 'what waits to be written fits in a pack');
assert(own.linkedBytesMin <= limits.blockBytesMax, 'a file of several blocks is linked to');
assert(own.packCopyBytesMax <= own.packBytesMax, 'a copied area fits in a pack');
assert(own.pullWantsMax * limits.blockBytesMax <= 2 ** 25, 'blocks on their way take 32 MiB');
assert(own.pullIdleSecondsMax <= limits.gitIdleSecondsMax, 'a silent peer is given up like a silent server');
assert(own.sweepGraceSeconds < limits.grantSecondsMax, 'an import that broke off is gone within a day');
assert(own.packBytesMax <= limits.treeBytesMax / 64, 'a large tree is many packs');
