import { type WitnessFile, witnessStateSchema } from '../../core/sessions/worker/checkpoint-book.ts';
import { parseFile, readOptional, writeAtomic } from '../node/files.ts';

const hint =
  'Restore it from a backup. Without it this worker does not know what it signed before: remove it only together with node.key, so that it joins as another one.';

/** What a worker saw of the log, in a file of mode 0600. */
export function openWitnessFile(file: string): WitnessFile {
  return {
    async load() {
      const text = await readOptional(file);
      return text === undefined ? undefined : parseFile(file, text, witnessStateSchema, hint);
    },
    save: (state) => writeAtomic(file, `${JSON.stringify(state)}\n`),
  };
}
