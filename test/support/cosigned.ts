import type { Paperwork } from '../../simulations/paperwork.ts';
import { draftOf } from '../../src/core/controller/draft.ts';
import type { ControllerEvent } from '../../src/core/controller/events.ts';
import type { ControllerState } from '../../src/core/controller/state.ts';
import { cosignStatement, signStatement } from '../../src/core/documents/index.ts';
import { formatCheckpoint, signCheckpoint, witnessCheckpoint } from '../../src/core/transparency/index.ts';

/** The trusted worker signs the draft of a run that waits for it. `now`: ms since the epoch. */
export async function cosigned(
  { keys, controller, project }: Paperwork,
  state: ControllerState,
  run: string,
  now: number,
): Promise<Extract<ControllerEvent, { kind: 'cosigned' }>> {
  const draft = draftOf(state, run);
  if (draft === undefined) throw new Error(`${run} waits for no signature`);
  const signer = keys.signer('trusted');
  const verdict = await signStatement('verdict', draft.verdict, controller);
  const note = await signCheckpoint(formatCheckpoint({ project, ...draft.checkpoint }), controller);
  return {
    kind: 'cosigned',
    verdict: verdict.id,
    run,
    worker: signer.id,
    signature: await cosignStatement(verdict.raw, signer),
    witness: await witnessCheckpoint(note, signer, Math.floor(now / 1000)),
  };
}
