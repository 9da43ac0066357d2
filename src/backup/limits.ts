import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';

export const backupLimits = {
  /** Files that a backup may have: packs of a store and logs of builds are the most. */
  filesMax: 10 * limits.treeBlocksMax,
  /** Findings that a check names of one file. */
  findingsMax: 20,
  /** Bytes of a file that are copied at once. */
  pieceBytes: 1024 * 1024,
};

assert(backupLimits.pieceBytes <= limits.blockBytesMax, 'a piece is in memory, as a block is');
