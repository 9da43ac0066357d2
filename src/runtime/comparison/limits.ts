/** Bounds of `quorate diff` and `quorate compare`. */
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
  /** All that the archives of one comparison unpack to, each time they are read: about half a minute. */
  unpackedBytesMax: 8 * 1024 * 1024 * 1024,
  /** Their members: as many as two trees have. */
  membersMax: 400_000,
  /** Headers in front of one member of a tar, a long name and extended records, and zeros at its end. */
  headerBytesMax: 8 * 1024 * 1024,
} as const;
