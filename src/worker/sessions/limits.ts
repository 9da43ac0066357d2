import { limits } from '../../protocol/base/limits.ts';

/** Bounds of a worker's sessions. */
export const workerSessionLimits = {
  /** Checkpoints of one log key that a worker keeps: one for each round of the last minutes of a busy project. */
  checkpointsMax: 64,
  /** The newest of them, which are kept however short the time between them. */
  checkpointsRecent: 16,
  /** Time over which two of the others are kept at most, in ms: all together reach back 24 minutes at least. */
  checkpointsApartMs: 60_000,
  /** Log keys of one project: a charter names another one now and then. */
  logKeysMax: 4,
  /** Receipts that were acknowledged, and their rounds, which were not found in the log yet. One is settled within seconds. */
  promisesMax: 512,
  /** Characters of a lease, and of an offer, that are kept with one: they have about a thousand. */
  heldCharsMax: 16 * 1024,
  /** Checkpoints that wait for their turn; a further one is dropped, since there will be others. */
  checkpointsWaitingMax: 16,
  /** Members whose checkpoints wait for a proof of the controller. A worker asks three of them at a time. */
  uncomparedMax: 64,
  /** Offers that wait, unverified, until this operator may claim them; of a further one everything is verified at once, unless its slots are taken. */
  postponedMax: 256,
  /** A notice with a larger job or request does not wait: 8 MB in all. */
  postponedCharsMax: 32 * 1024,
  /** Offers that cannot be read and were passed on; a forgotten one is passed on again. */
  unreadMax: 1_000,
  /** Pages of open offers that are asked for by HTTP one after the other. The last one is empty. */
  offerPagesMax: Math.ceil(limits.openRequestsMax / limits.feedOffersMax) + 2,
} as const;
