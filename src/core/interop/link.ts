import {
  cidDigestHex,
  encodeCanonical,
  fromBase64,
  payloadType,
  preAuthEncoding,
  type Receipt,
  type Signer,
  toBase64,
  type Verifier,
} from '../documents/index.ts';
import { fromUtf8 } from '../text.ts';
import { inTotoKeyOf } from './keys.ts';

type Artifacts = Record<string, Record<string, string>>;

/** What a functionary did in one step (in-toto-spec v1.0 §4.4). */
export interface Link {
  _type: 'link';
  name: string;
  materials: Artifacts;
  products: Artifacts;
  byproducts: Record<string, never>;
  command: string[];
  environment: Record<string, never>;
}

/** Steps of the layout: what N operators do, and what the trusted worker does besides. */
export const stepNames = { build: 'build', trusted: 'trusted-build' } as const;

/**
 * The link that says the same as a receipt: made from this commit and this job, came out as these files. Undefined for a
 * run that made none. in-toto 1.0 knows links only, so a worker signs this beside its receipt, which carries the
 * signature; the link itself follows from the receipt.
 */
export function linkOf({ subject, predicate }: Receipt): Link | undefined {
  const { outcome, slot, job } = predicate.quorate_receipt;
  if (outcome.kind !== 'exit' || outcome.code !== 0 || outcome.artifact === null) return undefined;
  const [source] = predicate.buildDefinition.resolvedDependencies;
  return {
    _type: 'link',
    name: slot === 'trusted' ? stepNames.trusted : stepNames.build,
    materials: { source: { gitCommit: source?.digest.gitCommit ?? '' }, job: { sha256: cidDigestHex(job) } },
    products: Object.fromEntries(subject.map(({ name, digest }) => [name, digest])),
    byproducts: {},
    command: [],
    environment: {},
  };
}

function messageOf(link: Link): { bytes: Uint8Array; message: Uint8Array } {
  const bytes = encodeCanonical(link);
  return { bytes, message: preAuthEncoding(bytes) };
}

/** The receipt with the worker's signature of its link inside, to be signed itself. */
export async function withLink(receipt: Receipt, signer: Signer): Promise<Receipt> {
  const link = linkOf(receipt);
  if (link === undefined) return receipt;
  const signature = toBase64(await signer.raw(messageOf(link).message));
  const { predicate } = receipt;
  return {
    ...receipt,
    predicate: { ...predicate, quorate_receipt: { ...predicate.quorate_receipt, link: signature } },
  };
}

/**
 * The link of a receipt as a DSSE envelope that in-toto reads. Undefined where there is none, or where the worker's
 * signature of it does not fit: that harms nobody but in-toto's users, so no verdict depends on it.
 */
export async function linkEnvelope(
  receipt: Receipt,
  worker: string,
  verifier: Verifier,
): Promise<string | undefined> {
  const link = linkOf(receipt);
  const signature = receipt.predicate.quorate_receipt.link;
  if (link === undefined || signature === undefined) return undefined;
  const { bytes, message } = messageOf(link);
  if (!(await verifier.raw(message, fromBase64(signature, 'link signature'), worker))) return undefined;
  return envelopeOf(bytes, inTotoKeyOf(worker).keyid, signature);
}

/** DSSE as in-toto has it: the key's id is in-toto's. It is not signed, so it can be told in another way than ours. */
export function envelopeOf(bytes: Uint8Array, keyid: string, sig: string): string {
  return fromUtf8(encodeCanonical({ payload: toBase64(bytes), payloadType, signatures: [{ keyid, sig }] }));
}
