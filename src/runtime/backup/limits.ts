import { limits } from '../../core/limits.ts';

/** Limits of backups. */
export const backupLimits = {
  /** Files that a backup may have: packs of a store and logs of builds are the most. */
  filesMax: 10 * limits.treeBlocksMax,
  /** Findings that a check names of one file. */
  findingsMax: 20,
};
