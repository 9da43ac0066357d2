import { draftOf } from '../src/core/controller/draft.ts';
import type { ControllerState } from '../src/core/controller/state.ts';
import {
  addSignature,
  type Bundle,
  encodeJob,
  type Signer,
  signMessage,
  signStatement,
} from '../src/core/documents/index.ts';
import { fromUtf8 } from '../src/core/text.ts';
import { addWitness, formatCheckpoint, signCheckpoint } from '../src/core/transparency/index.ts';

/** The bundle of a run as its controller would hand it out now; undefined before its first verdict. */
export async function bundleOf(
  state: ControllerState,
  run: string,
  project: string,
  signer: Signer,
): Promise<Bundle | undefined> {
  const draft = draftOf(state, run);
  if (draft === undefined) return undefined;
  const verdict = await signStatement('verdict', draft.verdict, signer);
  const note = await signCheckpoint(formatCheckpoint({ project, ...draft.checkpoint }), signer);
  const { cosignature } = draft;
  const offers: string[] = [];
  for (const offer of draft.offers) offers.push((await signMessage('offer', offer, signer)).raw);
  const receipts: Bundle['receipts'] = [];
  for (const { envelope, lease, grant } of draft.receipts)
    receipts.push({ envelope, grant, lease: (await signMessage('lease', lease, signer)).raw });
  return {
    v: 1,
    charter: draft.charter,
    request: draft.request,
    publisher: draft.publisher,
    job: fromUtf8(encodeJob(draft.job).bytes),
    offers,
    receipts,
    verdict:
      cosignature === null
        ? verdict.raw
        : addSignature(verdict.raw, cosignature.worker, cosignature.signature),
    checkpoint: cosignature === null ? note : addWitness(note, cosignature.witness),
    entries: draft.entries,
  };
}
