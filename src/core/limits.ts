/**
 * Every bound of the system, each with its reason. Reaching one is a coded error, never a hang or a crash.
 * A unit ends each name.
 */
export const limits = {
  /** One signed document. An offer notice carries a job, a request and two grants: well under this. */
  documentBytesMax: 256 * 1024,
  /** A receipt lists each output file with its sha256 (about 150 bytes each), a bundle holds several receipts. */
  receiptBytesMax: 8 * 1024 * 1024,
  bundleBytesMax: 64 * 1024 * 1024,
  /** Files named one by one in a receipt, so that other tools can check a single file; larger trees are refused. */
  outputFilesMax: 20_000,
  /** Depth of nested JSON in any document: ours need eight. */
  jsonDepthMax: 24,
  /** A grant is short so that a revoked operator is gone within a day without anybody asking a server. */
  grantSecondsMax: 24 * 3600,
  inviteSecondsMax: 30 * 24 * 3600,
  /** How far two clocks may differ before a document counts as from the future or expired. */
  clockSkewSeconds: 60,
  /** Steps of a job and the length of each: people write these by hand. */
  jobStepsMax: 200,
  stepBytesMax: 16 * 1024,
  jobBytesMax: 64 * 1024,
  /** Trees: path depth and length follow Linux's PATH_MAX; counts and sizes bound a walk. */
  pathBytesMax: 4096,
  pathDepthMax: 64,
  treeEntriesMax: 200_000,
  treeBytesMax: 8 * 1024 * 1024 * 1024,
  /** One build's log: what exceeds it is cut with a line that says so. */
  logBytesMax: 16 * 1024 * 1024,
  logLineBytesMax: 8 * 1024,
  /** Operators of one round; each is a lease stream at the controller. */
  slotsMax: 16,
  roundsMax: 8,
  openJobsMax: 1_000,
  /** A slot whose lease was lost may be leased again this often within one sealed phase. */
  slotLeasesMax: 4,
} as const;
