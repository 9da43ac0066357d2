/** Bounds of the worker's state machine. */
export const workerLimits = {
  /** Offers that are remembered: those that were answered are forgotten first, and would be answered once more. */
  offersKnownMax: 2_000,
  /** Leases whose rounds have not ended, built or to be built: their results take up the worker's disk until then. */
  leasesHeldMax: 64,
  /** Time for which an emulated worker does not take a job it was too slow for: by then it may be less busy. */
  slowJobSeconds: 24 * 3600,
  /** Jobs remembered as too slow. The oldest is forgotten first, which costs one more lease. */
  slowJobsMax: 1_000,
  /** Answers that were signed, of requests that have not ended: a week at most. At 200 bytes each, 10 MB. */
  answersMax: 50_000,
  /** Of these, to requests of one operator: several leave room for others. */
  answersPerPublisherMax: 10_000,
  /** Builds that ended, which its operator is shown: about 400 bytes each, in one answer of the control socket. */
  historyMax: 100,
} as const;
