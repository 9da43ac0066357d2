/** Reason of a worker that cannot read an offer, or is below the least version of the charter. */
export const workerOlder = 'worker-older';

export const passReason = (reason: string): string =>
  reason === workerOlder ? 'its version of Quorate is too old for the job or the project; update it' : reason;
