import type { Timings } from '../src/controller/machine/events.ts';

/** Timings of every simulated controller. */
export const timings: Omit<Timings, 'grantMs'> = {
  windowMs: 2_000,
  slotFillMs: 120_000,
  absenceMs: 10_000,
  leaseSilenceMs: 30_000,
  detachGraceMs: 10_000,
  leaseOverheadMs: 60_000,
  pinRetryMs: 2_000,
  pinTriesMax: 15,
  widenMs: 2_000,
};
