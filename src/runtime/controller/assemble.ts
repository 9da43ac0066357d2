import type { BundleDraft } from '../../core/controller/events.ts';
import {
  addSignature,
  type Bundle,
  encodeBundle,
  encodeJob,
  signMessage,
  signStatement,
} from '../../core/documents/index.ts';
import { fromUtf8 } from '../../core/text.ts';
import { addWitness, formatCheckpoint, signCheckpoint } from '../../core/transparency/index.ts';
import type { NodeKey } from '../../identity/keys.ts';

/** Signs what is the controller's to sign and puts the bundle together; with the co-signature, where there is one. */
export async function assembleBundle(draft: BundleDraft, project: string, key: NodeKey): Promise<string> {
  const { signer } = key;
  const verdict = await signStatement('verdict', draft.verdict, signer);
  const note = await signCheckpoint(formatCheckpoint({ project, ...draft.checkpoint }), signer);
  const { cosignature } = draft;
  const bundle: Bundle = {
    v: 1,
    charter: draft.charter,
    request: draft.request,
    publisher: draft.publisher,
    job: fromUtf8(encodeJob(draft.job).bytes),
    offers: await Promise.all(
      draft.offers.map(async (offer) => (await signMessage('offer', offer, signer)).raw),
    ),
    receipts: await Promise.all(
      draft.receipts.map(async ({ envelope, lease, grant }) => ({
        envelope,
        grant,
        lease: (await signMessage('lease', lease, signer)).raw,
      })),
    ),
    verdict:
      cosignature === null
        ? verdict.raw
        : addSignature(verdict.raw, cosignature.worker, cosignature.signature),
    checkpoint: cosignature === null ? note : addWitness(note, cosignature.witness),
    entries: draft.entries,
  };
  return encodeBundle(bundle);
}
