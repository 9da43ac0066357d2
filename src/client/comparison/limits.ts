import { sandboxLimits } from '../../../sandbox/limits.ts';
import { assert } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';

export const comparisonLimits = {
  /** Pairs of files given to diffoscope: it takes about a second for a program. */
  diffoscopeFilesMax: 50,
  /** Bytes of these files, both sides together. */
  diffoscopeInputBytesMax: 64 * 1024 * 1024,
  /** Its output, a report of some ten thousand lines. */
  diffoscopeOutputBytesMax: 1024 * 1024,
  /** Wall time of the whole comparison: a person waits at a terminal. */
  diffoscopeSecondsMax: 120,
  /** Its disk: both sides, and what it unpacks of archives in them. */
  diffoscopeDiskBytes: 512 * 1024 * 1024,
  /** Its memory, that disk included. */
  diffoscopeMemoryBytes: 1024 * 1024 * 1024,
  /** Its processes and threads: it starts a few tools at a time. */
  diffoscopePids: 128,
  /** Unpacked bytes of all archives of one comparison, each time they are read: about half a minute. */
  unpackedBytesMax: 8 * 1024 * 1024 * 1024,
  /** Their members: as many as two trees have. */
  membersMax: 2 * limits.treeEntriesMax,
  /** Bytes of headers before one member of a tar (a long name, extended records), or of zeros at the end of the tar. */
  headerBytesMax: 8 * 1024 * 1024,
} as const;

const { diffoscopeFilesMax, diffoscopeSecondsMax, diffoscopePids, unpackedBytesMax, headerBytesMax } =
  comparisonLimits;
const { diffoscopeInputBytesMax, diffoscopeOutputBytesMax, diffoscopeDiskBytes, diffoscopeMemoryBytes } =
  comparisonLimits;
const { transferSecondsMax, toolMemoryBytesMax, toolPidsMax } = sandboxLimits;
assert(diffoscopeFilesMax <= diffoscopeSecondsMax, 'each file has a second');
assert(diffoscopeSecondsMax <= transferSecondsMax, 'it takes less time than the copying of a tree');
assert(diffoscopeOutputBytesMax < diffoscopeInputBytesMax, 'a report is shorter than the files');
assert(diffoscopeInputBytesMax < diffoscopeDiskBytes, 'its disk holds the files and what is in them');
assert(diffoscopeDiskBytes < diffoscopeMemoryBytes, 'its memory holds its disk');
assert(diffoscopeMemoryBytes <= toolMemoryBytesMax, 'a tool has as much');
assert(diffoscopePids <= 2 * toolPidsMax, 'a tool and those it starts have as many');
assert(unpackedBytesMax <= limits.treeBytesMax, 'archives unpack to a tree at most');
assert(headerBytesMax <= limits.bundleBytesMax, 'headers are in memory together');
