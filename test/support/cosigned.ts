import type { Paperwork } from '../../simulations/paperwork.ts';
import type { ControllerEvent } from '../../src/controller/machine/events.ts';
import { draftOf } from '../../src/controller/machine/queries/draft.ts';
import type { ControllerState } from '../../src/controller/machine/state.ts';
import { cosignStatement, signStatement } from '../../src/protocol/documents/index.ts';
import {
  formatCheckpoint,
  signCheckpoint,
  witnessCheckpoint,
} from '../../src/protocol/transparency/index.ts';

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
