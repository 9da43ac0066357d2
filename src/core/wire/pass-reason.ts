/** Reason of a worker that passes on an offer which it cannot read. */
export const workerOlder = 'worker-older';

/** A reason to pass, for people. */
export const passReason = (reason: string): string =>
  reason === workerOlder ? 'its version of Quorate is older and cannot read the job; update it' : reason;
