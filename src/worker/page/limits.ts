import { httpLimits } from '../../http/limits.ts';
import { assert } from '../../protocol/base/errors.ts';

/** Bounds of a worker's page. */
export const lenderPageLimits = {
  /** Browser windows that follow one worker: its operator has a few open. */
  lenderFollowersMax: 8,
  /** Time between two looks at a worker that somebody follows. */
  lenderLookMs: 1_000,
  /** Connections to the page of a worker: six of a browser, and one for each window that follows. */
  lenderConnectionsMax: 32,
  /** A form of that page: a dozen short fields. */
  lenderFormBytesMax: 8 * 1024,
} as const;

const { lenderFollowersMax, lenderLookMs, lenderConnectionsMax, lenderFormBytesMax } = lenderPageLimits;
assert(lenderLookMs < httpLimits.idleMs, 'a window that follows is not idle');
assert(
  lenderFollowersMax + 6 <= lenderConnectionsMax,
  'a browser has its connections beside those that follow',
);
assert(
  lenderConnectionsMax <= httpLimits.connectionsPerAddressMax,
  'a page has no more than a server for all',
);
assert(lenderFormBytesMax <= httpLimits.headerBytesMax, 'a form has no more than a request line');
