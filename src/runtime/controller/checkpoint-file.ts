import type { CheckpointFile } from '../../core/sessions/controller/ports.ts';
import { inFile, readOptional, writeAtomic } from '../node/files.ts';

/** The last checkpoint, in a file of mode 0600. */
export function openCheckpointFile(file: string): CheckpointFile {
  return {
    load: () => readOptional(file),
    save: (note) => writeAtomic(file, note),
  };
}

/** Uses what it holds. Errors: `HOME_DAMAGED`, and what `use` throws. */
export const inCheckpointFile = (file: string, use: () => Promise<void>): Promise<void> =>
  inFile(
    file,
    'Put it back from a copy. Without one remove it: the log is in controller.db, whose last copy has to be put back with it.',
    use,
  );
