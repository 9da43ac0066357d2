import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { dependencyLimits } from '../protocol/lock-formats/limits.ts';

/** Bounds of what is laid out for a build. */
export const layoutLimits = {
  /** Unpacked size of one crate: cargo refuses larger ones itself. */
  crateBytesMax: 512 * 1024 * 1024,
  /** Files of one crate. The largest bindings have ten thousand. */
  crateFilesMax: 50_000,
  /** Of a file in a crate beside its content: headers, a long name, padding. */
  entryBytesMax: 8 * 1024,
  /** Bytes of a crate that are unpacked before the header of a file is read, and after the last one. */
  aheadBytesMax: 1024 * 1024,
} as const;

/** Bounds of the thread that lock files are read in. */
export const threadLimits = {
  /** The largest lock files that are read take about ten, on a busy host a few times that. */
  seconds: 60,
  /** A pnpm lock of 50,000 packages, and one of npm of 95,000, take less than 500. */
  memoryMiB: 1024,
  /** Lock files and index together that are read without a thread, which takes 50 ms to start: the worst YAML of this size takes less. */
  inlineBytesMax: 16 * 1024,
} as const;

const [l, t] = [layoutLimits, threadLimits];
assert(
  l.crateFilesMax < limits.treeEntriesMax && l.crateBytesMax < limits.treeBytesMax,
  'one crate fits into a sandbox',
);
assert(t.seconds < limits.gitSecondsMax, 'lock files take less time than the commit that they are of');
assert(
  t.memoryMiB * 2 ** 20 <= 32 * dependencyLimits.lockBytesMax,
  'what is read takes ten to thirty times its size',
);
