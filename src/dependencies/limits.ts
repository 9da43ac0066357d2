import { assert } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** Bounds of what is laid out for a build. */
export const layoutLimits = {
  /** Unpacked size of one crate: cargo refuses larger ones itself. */
  crateBytesMax: 512 * 1024 * 1024,
  /** Files of one crate. The largest bindings have ten thousand. */
  crateFilesMax: 50_000,
  /** Of a file in a crate beside its content: headers, a long name, padding. */
  entryBytesMax: 8 * 1024,
  /** What is unpacked of a crate before the header of a file is read, and after the last one. */
  aheadBytesMax: 1024 * 1024,
} as const;

assert(layoutLimits.crateFilesMax < limits.treeEntriesMax, 'one crate fits into a sandbox');
