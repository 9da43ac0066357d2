import { joseVerifier } from '../../identity/verifier.ts';
import { inFile, parseFile, readOptional, writeJson } from '../../node/files.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { openCheckpoint, withoutWitnesses } from '../../protocol/transparency/index.ts';
import { type WitnessFile, type WitnessState, witnessStateSchema } from '../sessions/checkpoint-book.ts';

const hint =
  'Restore it from a backup. Without it this worker does not know what it signed before: remove it only together with node.key, so that it joins as another one.';

/** Newest checkpoint and promises that a worker knows of a project's log, in a file of mode 0600. */
export function openWitnessFile(file: string, project: string): WitnessFile {
  return {
    async load() {
      const text = await readOptional(file);
      if (text === undefined) return undefined;
      const state = parseFile(file, text, witnessStateSchema, hint);
      await inFile(file, hint, () => checkNotes(state, project));
      return state;
    },
    save: (state) => writeJson(file, state),
  };
}

/** @throws `CHECKPOINT_…`. */
async function checkNotes({ logs }: WitnessState, project: string): Promise<void> {
  for (const { log, seen } of logs)
    for (const { note, size, root } of seen) {
      const signed = await openCheckpoint(withoutWitnesses(note), { project, log }, joseVerifier);
      if (signed.size !== size || signed.root !== root)
        throw new QuorateError('CHECKPOINT_MALFORMED', 'a checkpoint is not the one that is signed');
    }
}
