import type { BundleDraft } from '../../controller/events.ts';
import {
  addSignature,
  type Bundle,
  claimedStatementId,
  decodeBundle,
  encodeBundle,
  encodeJob,
  type Signer,
  signMessage,
  signStatement,
} from '../../documents/index.ts';
import { fromUtf8 } from '../../text.ts';
import { addWitness, formatCheckpoint, signCheckpoint } from '../../transparency/index.ts';

/** The id of the verdict in a stored bundle; undefined where it cannot be read. */
export function verdictIdIn(bundle: string): string | undefined {
  try {
    return claimedStatementId(decodeBundle(bundle).verdict);
  } catch {
    return undefined;
  }
}

/** Signs the controller's documents of a draft and encodes the bundle, with the co-signature where there is one. */
export async function assembleBundle(draft: BundleDraft, project: string, signer: Signer): Promise<string> {
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
