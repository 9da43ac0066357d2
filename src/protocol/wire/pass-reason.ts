/** Reason of a worker that cannot read an offer, or is below the least version of the charter. */
export const workerOlder = 'worker-older';

/** Whether a worker only has other jobs now. */
export const isBusyPass = (reason: string): boolean => /^busy\b/.test(reason);

export const passReason = (reason: string): string =>
  reason === workerOlder ? 'its version of Quorate is too old for the job or the project; update it' : reason;
