export const sourceLimits = {
  /** Bytes fetched for one checkout, and again bytes unpacked. Large projects at depth one are smaller. */
  bytesMax: 2 * 1024 * 1024 * 1024,
  /** Bytes of a list of refs: about 100,000 of them. */
  refsBytesMax: 8 * 1024 * 1024,
  /** Of a commit object: its headers, with a signature or two, and the beginning of its message. */
  commitBytesMax: 64 * 1024,
  /** Bytes of an answer beside the pack, such as the progress that its server tells. */
  talkBytesMax: 16 * 1024 * 1024,
  /** Attempts where a server drops the connection (git-daemon takes 32 at once), and the first wait, which doubles: 8 s in all, or a little more. */
  triesMax: 5,
  retryMs: 500,
  /** Longest time into an attempt at which a dropped connection is one of a busy server. */
  dropMsMax: 10_000,
  /** Of a folder that is served on this host (`quorate up`): fetches at once, bytes and time of a request, silence and time of a fetch. */
  servedAtOnceMax: 32,
  servedRequestBytesMax: 1024,
  servedRequestMsMax: 10_000,
  servedIdleMsMax: 60_000,
  servedMsMax: 30 * 60_000,
} as const;
