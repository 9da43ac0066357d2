/** Bounds of `quorate diff`. */
export const comparisonLimits = {
  /** Pairs of files given to diffoscope: it takes about a second for a program. */
  diffoscopeFilesMax: 50,
  /** Bytes of these files, both sides together. */
  diffoscopeInputBytesMax: 64 * 1024 * 1024,
  /** Its output, a report of some ten thousand lines. */
  diffoscopeOutputBytesMax: 1024 * 1024,
  /** Wall time of all of it. Somebody waits at a terminal. */
  diffoscopeSecondsMax: 120,
  /** Its disk: both sides, and what it unpacks of archives in them. */
  diffoscopeDiskBytes: 512 * 1024 * 1024,
  /** Its memory, that disk included. */
  diffoscopeMemoryBytes: 1024 * 1024 * 1024,
  /** Its processes and threads: it starts a few tools at a time. */
  diffoscopePids: 128,
} as const;
