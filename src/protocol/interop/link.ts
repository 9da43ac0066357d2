import { bytesToHex } from '@noble/hashes/utils.js';
import { fromUtf8, toUtf8 } from '../base/text.ts';
import {
  artifactOf,
  cidDigestHex,
  encodeCanonical,
  filesOf,
  fromBase64,
  isTrustedSlot,
  payloadType,
  preAuthEncoding,
  publicKeyOf,
  type Receipt,
  type Signer,
  type Slot,
  sha256Hex,
  toBase64,
  type Verifier,
} from '../documents/index.ts';

/** The key of a PeerId as in-toto writes it (in-toto-spec v1.0 §4.2); its id is the sha256 of the key's canonical JSON, as securesystemslib has it. */
export function inTotoKeyOf(peerId: string) {
  const key = {
    keyid_hash_algorithms: ['sha256', 'sha512'],
    keytype: 'ed25519',
    keyval: { public: bytesToHex(publicKeyOf(peerId)) },
    scheme: 'ed25519',
  };
  return { keyid: sha256Hex(toUtf8(JSON.stringify(key))), ...key };
}

/** Steps of the layout: what N operators do, and what the trusted worker does besides. */
export const stepNames = { build: 'build', trusted: 'trusted-build' } as const;

/** Parts of a link, all of them in a receipt too. */
interface LinkParts {
  /** CID. */
  job: string;
  commit: string;
  slot: Slot;
  /** CID of the tree that came out, and its files. */
  artifact: string;
  files: readonly { path: string; sha256: string }[];
}

/** Undefined for a run that made nothing. */
export function linkPartsOf(receipt: Receipt): LinkParts | undefined {
  const { predicate } = receipt;
  const { outcome, slot, job } = predicate.quorate_receipt;
  const artifact = artifactOf(outcome);
  const [source] = predicate.buildDefinition.resolvedDependencies;
  if (artifact === null || source === undefined) return undefined;
  const files = filesOf(receipt);
  return { job, commit: source.digest.gitCommit, slot, artifact, files };
}

/** One step of a functionary (in-toto-spec v1.0 §4.4): made from this commit and this job, came out as this tree with these files. */
function makeLink({ job, commit, slot, artifact, files }: LinkParts) {
  return {
    _type: 'link',
    name: isTrustedSlot(slot) ? stepNames.trusted : stepNames.build,
    materials: { source: { gitCommit: commit }, job: { sha256: cidDigestHex(job) } },
    products: Object.fromEntries([
      ['.', { sha256: cidDigestHex(artifact) }],
      ...files.map(({ path, sha256 }) => [path, { sha256 }]),
    ]),
    byproducts: {},
    command: [],
    environment: {},
  };
}

function encoded(parts: LinkParts): { bytes: Uint8Array; message: Uint8Array } {
  const bytes = encodeCanonical(makeLink(parts));
  return { bytes, message: preAuthEncoding(bytes) };
}

/** A worker's signature of its link, base64, for its receipt: in-toto 1.0 knows links only. The link follows from the receipt. */
export async function signLink(parts: LinkParts, signer: Signer): Promise<string> {
  return toBase64(await signer.raw(encoded(parts).message));
}

/** The link of a receipt as DSSE. Undefined without one, or where its signature does not fit: no verdict depends on it. */
export async function linkEnvelope(
  receipt: Receipt,
  worker: string,
  verifier: Verifier,
): Promise<string | undefined> {
  const parts = linkPartsOf(receipt);
  const signature = receipt.predicate.quorate_receipt.link;
  if (parts === undefined || signature === undefined) return undefined;
  const { bytes, message } = encoded(parts);
  if (!(await verifier.raw(message, fromBase64(signature, 'link signature'), worker))) return undefined;
  return envelopeOf(bytes, inTotoKeyOf(worker).keyid, signature);
}

export async function signedEnvelope(document: object, signer: Signer, keyid: string): Promise<string> {
  const bytes = encodeCanonical(document);
  return envelopeOf(bytes, keyid, toBase64(await signer.raw(preAuthEncoding(bytes))));
}

/** DSSE as in-toto has it: the key's id is in-toto's. It is not signed, so it can be told in another way than ours. */
function envelopeOf(bytes: Uint8Array, keyid: string, sig: string): string {
  return fromUtf8(encodeCanonical({ payload: toBase64(bytes), payloadType, signatures: [{ keyid, sig }] }));
}
