import { sandboxLimits } from '../../sandbox/limits.ts';
import { egressLimits } from '../egress/limits.ts';
import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { dependencyLimits } from '../protocol/lock-formats/limits.ts';

/** Bounds of the checkouts and the network access of builds. */
export const buildLimits = {
  /** Bytes received besides the content itself: lists of references, headers, TLS. */
  egressOverheadBytes: 64 * 1024 * 1024,
  /** The least memory git gets, whatever the operator lends: a pack is indexed in memory. */
  gitMemoryBytesMin: 512 * 1024 * 1024,
  /** Characters of all paths that differ from a base, which are in memory together. A folder with a long name is in each of its paths. */
  changedCharsMax: 64 * 1024 * 1024,
} as const;

const { toolMemoryBytesMax, egressConnectionsMax, outputOverheadBytes } = sandboxLimits;
assert(buildLimits.gitMemoryBytesMin <= toolMemoryBytesMax, 'the sandbox of a tool grants that much');
assert(egressConnectionsMax <= egressLimits.hostOpenMax, 'a build may open all connections to one host');

/** Bounds of lock files that are read from a source tree. */
export const lockFileLimits = {
  /** All of a job, which are in memory together: the largest one, and as much besides. */
  bytesMax: 2 * dependencyLimits.lockBytesMax,
} as const;

assert(buildLimits.egressOverheadBytes <= outputOverheadBytes, 'what comes besides is a small part');
assert(buildLimits.changedCharsMax <= limits.bundleBytesMax, 'paths are in memory');
