export const commandLimits = {
  /** From the verdict of a run that is followed until its bundle is given up, in ms: a controller stores it after it tells the verdict. */
  storedMsMax: 30_000,
  /** For a whole bundle as long as bytes of it arrive, in ms: the largest at 0.9 Mbit/s. A run that is followed waits for nothing else then. */
  bundleMsMax: 10 * 60_000,
} as const;
