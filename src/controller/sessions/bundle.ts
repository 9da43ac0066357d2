import { unreachable } from '../../protocol/base/errors.ts';
import { fromUtf8 } from '../../protocol/base/text.ts';
import {
  addSignature,
  type Bundle,
  claimedSigners,
  claimedStatementId,
  decodeBundle,
  encodeBundle,
  encodeJob,
  type OwnBundle,
  type Signer,
  signMessage,
  signStatement,
} from '../../protocol/documents/index.ts';
import { addWitness, formatCheckpoint, signCheckpoint } from '../../protocol/transparency/index.ts';
import type { BundleDraft } from '../machine/events.ts';
import type { Endorsement } from '../machine/facts.ts';

/** Whether a stored bundle is that of this verdict, with the signatures of `cosigners`. */
export function holdsVerdict(bundle: string, id: string, cosigners: readonly string[]): boolean {
  try {
    const { verdict } = decodeBundle(bundle);
    const signers = claimedSigners(verdict);
    return claimedStatementId(verdict) === id && cosigners.every((one) => signers.includes(one));
  } catch {
    return false;
  }
}

/** Signs the controller's documents of a draft and encodes the bundle, with what others signed where there is some. */
export async function assembleBundle(
  draft: BundleDraft,
  project: string,
  signer: Signer,
  inputs: readonly OwnBundle[] = [],
): Promise<string> {
  const own = await ownBundle(draft, project, signer);
  return encodeBundle(inputs.length === 0 ? own : { ...own, inputs: [...inputs] });
}

/** Without the bundles of what the job reads. */
export async function ownBundle(draft: BundleDraft, project: string, signer: Signer): Promise<OwnBundle> {
  const verdict = await signStatement('verdict', draft.verdict, signer);
  const note = await signCheckpoint(formatCheckpoint({ project, ...draft.checkpoint }), signer);
  const signed = signedWith(draft.endorsement, verdict.raw, note);
  return {
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
    ...signed,
    entries: draft.entries,
  };
}

/** The verdict and the checkpoint with what others signed. */
function signedWith(
  endorsement: Endorsement,
  verdict: string,
  note: string,
): Pick<Bundle, 'verdict' | 'checkpoint' | 'witnesses'> {
  switch (endorsement.kind) {
    case 'none':
      return { verdict, checkpoint: note };
    case 'cosigned':
      return endorsement.cosignatures.reduce(
        (signed, { worker, signature, witness }) => ({
          verdict: addSignature(signed.verdict, worker, signature),
          checkpoint: addWitness(signed.checkpoint, witness),
        }),
        { verdict, checkpoint: note },
      );
    case 'witnessed': {
      const { note: checkpoint, grants } = endorsement.log;
      const witnesses = grants.map(({ raw }) => raw);
      return { verdict, checkpoint, ...(witnesses.length > 0 && { witnesses }) };
    }
    default:
      return unreachable(endorsement, 'backing of a verdict');
  }
}
