export const commandLimits = {
  /** From the verdict of a run that is followed until its bundle is given up, in ms: a controller stores it after it tells the verdict. */
  storedMsMax: 30_000,
} as const;
