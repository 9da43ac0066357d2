import { sandboxLimits } from '../../../sandbox/limits.ts';
import { assert } from '../../core/errors.ts';

/** Bounds of the checkouts and the network access of builds. */
export const buildLimits = {
  /** Bytes received besides the content itself: lists of references, headers, TLS. */
  egressOverheadBytes: 64 * 1024 * 1024,
  /** The least memory git gets, whatever the operator lends: a pack is indexed in memory. */
  gitMemoryBytesMin: 512 * 1024 * 1024,
} as const;

assert(
  buildLimits.gitMemoryBytesMin <= sandboxLimits.toolMemoryBytesMax,
  'the sandbox of a tool grants that much',
);
