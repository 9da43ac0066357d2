import { assert } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

/** Bounds of what a node stores and sends to others. */
export const artifactLimits = {
  /** Bundles sent at once over the mesh, small ones not counted. They take about three times this in memory. */
  bundlesSentBytesMax: 128 * 1024 * 1024,
  /** Interval of sweeps. One walks all that is stored, which for a full store is seconds of work. */
  collectSeconds: 900,
  /** Transfers one peer may have open; each is two messages of memory. */
  transferStreamsPerPeerMax: 8,
} as const;

assert(limits.bundleBytesMax <= artifactLimits.bundlesSentBytesMax, 'the largest bundle can be sent');
