import type { CheckpointFile } from '../../core/sessions/controller/ports.ts';
import { readOptional, writeAtomic } from '../node/files.ts';

/** The last checkpoint, in a file of mode 0600. */
export function openCheckpointFile(file: string): CheckpointFile {
  return {
    load: () => readOptional(file),
    save: (note) => writeAtomic(file, note),
  };
}
