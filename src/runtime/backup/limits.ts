/** Limits of backups. */
export const backupLimits = {
  /** Files that a backup may have: packs of a store and logs of builds are the most. */
  filesMax: 5_000_000,
  /** Findings that a check names of one file. */
  findingsMax: 20,
};
