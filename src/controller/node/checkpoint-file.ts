import { inFile, readOptional, writeAtomic } from '../../node/files.ts';
import type { CheckpointFile } from '../sessions/ports.ts';

/** The last checkpoint, in a file of mode 0600. Uses of what it holds have errors that name the file. */
export function openCheckpointFile(file: string): CheckpointFile {
  return {
    load: () => readOptional(file),
    save: (note) => writeAtomic(file, note),
  };
}

/** Uses what it holds. Errors: `HOME_DAMAGED`, and what `use` throws. */
export const inCheckpointFile = <T>(file: string, use: () => Promise<T>): Promise<T> =>
  inFile(
    file,
    'Put it back from a copy. Without one remove it: the controller asks its members for the newest checkpoint before it signs anything.',
    use,
  );
