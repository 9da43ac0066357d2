import { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { toUtf8 } from '../base/text.ts';
import { concat } from '../base/whole-bytes.ts';
import { peerId } from './base.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { canonicalText, decodeCanonical, decodeDocument, sha256Hex } from './canonical.ts';
import { type Receipt, receiptSchema, type Verdict, verdictSchema } from './statement.ts';
import { markVerified, type Signer, type Verified, type Verifier } from './verified.ts';

/** https://github.com/secure-systems-lab/dsse, with keyid = PeerId. */
export const payloadType = 'application/vnd.in-toto+json';

const envelopeSchema = z.strictObject({
  payloadType: z.literal(payloadType),
  payload: z.string(),
  signatures: z
    .array(z.strictObject({ keyid: peerId, sig: z.string().max(100) }))
    .min(1)
    .max(16),
});
export type Envelope = z.infer<typeof envelopeSchema>;

const readEnvelope = (raw: string, what = 'envelope'): Envelope =>
  decodeCanonical(toUtf8(raw), envelopeSchema, what, limits.receiptBytesMax);

interface Statements {
  receipt: Receipt;
  verdict: Verdict;
}
type StatementKind = keyof Statements;
const schemas: { [K in StatementKind]: z.ZodType<Statements[K]> } = {
  receipt: receiptSchema,
  verdict: verdictSchema,
};

/** Pre-authentication encoding of DSSE v1: what is signed. */
export function preAuthEncoding(payload: Uint8Array): Uint8Array {
  return concat([toUtf8(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload]);
}

/** A verified statement and every key that validly signed it, each once, in the envelope's order. */
export interface VerifiedStatement<T> extends Verified<T> {
  readonly signers: readonly string[];
}

/**
 * Opens a DSSE envelope around one kind of statement. Each signature in it must be valid. `id`: sha256 of the payload.
 * @throws {QuorateError} `DOC_…`
 */
export async function openStatement<K extends StatementKind>(
  kind: K,
  raw: string,
  verifier: Verifier,
): Promise<VerifiedStatement<Statements[K]>> {
  if (raw.length > limits.receiptBytesMax)
    throw new QuorateError(
      'DOC_TOO_LARGE',
      `${kind} has ${raw.length} characters; at most ${limits.receiptBytesMax} are read`,
    );
  const known = verifier.opened?.get(kind, raw);
  if (known !== undefined) return known as VerifiedStatement<Statements[K]>;
  const envelope = readEnvelope(raw, `${kind} envelope`);
  const bytes = fromBase64(envelope.payload, `${kind} payload`);
  const message = preAuthEncoding(bytes);
  const signers: string[] = [];
  for (const { keyid, sig } of envelope.signatures) {
    if (signers.includes(keyid))
      throw new QuorateError('DOC_BAD_SIGNATURE', `${kind} is signed twice by ${keyid}`);
    const signature = fromBase64(sig, `${kind} signature`);
    if (signature.length !== 64 || !(await verifier.raw(message, signature, keyid))) {
      throw new QuorateError('DOC_BAD_SIGNATURE', `${kind} does not carry a valid signature of ${keyid}`);
    }
    signers.push(keyid);
  }
  const payload = decodeDocument(kind, bytes, schemas[kind], limits.receiptBytesMax);
  const [signer = ''] = signers;
  const statement = Object.assign(markVerified({ payload, raw, id: sha256Hex(bytes), signer }), { signers });
  verifier.opened?.put(kind, raw, statement);
  return statement;
}

/** The id a statement has if it holds, without a look at its signatures; undefined where it is none. */
export function claimedStatementId(raw: string): string | undefined {
  try {
    return sha256Hex(fromBase64(readEnvelope(raw).payload, 'payload'));
  } catch {
    return undefined;
  }
}

/** The keys a statement says it is signed by, without a look at the signatures; none where it is no statement. */
export function claimedSigners(raw: string): string[] {
  try {
    return readEnvelope(raw).signatures.map(({ keyid }) => keyid);
  } catch {
    return [];
  }
}

/** The signature of this key, unverified; undefined where there is none, or the text is no envelope. */
export function signatureOf(raw: string, keyid: string): string | undefined {
  try {
    return readEnvelope(raw).signatures.find((one) => one.keyid === keyid)?.sig;
  } catch {
    return undefined;
  }
}

/** Encodes and signs a statement: canonical JSON of the envelope. */
export async function signStatement<K extends StatementKind>(
  kind: K,
  payload: Statements[K],
  signer: Signer,
): Promise<VerifiedStatement<Statements[K]>> {
  const text = canonicalText(payload);
  const known = signer.signed?.get(kind, text);
  if (known !== undefined) return known as VerifiedStatement<Statements[K]>;
  const bytes = toUtf8(text);
  const checked = decodeDocument(kind, bytes, schemas[kind], limits.receiptBytesMax);
  const signature = await signer.raw(preAuthEncoding(bytes));
  const envelope: Envelope = {
    payloadType,
    payload: toBase64(bytes),
    signatures: [{ keyid: signer.id, sig: toBase64(signature) }],
  };
  const raw = canonicalText(envelope);
  const parts = { payload: checked, raw, id: sha256Hex(bytes), signer: signer.id };
  const statement = Object.assign(markVerified(parts), { signers: [signer.id] });
  signer.signed?.put(kind, text, statement);
  return statement;
}

/** Adds another signature over the same payload: how a trusted worker co-signs. Returns the bare signature, base64. */
export async function cosignStatement(raw: string, signer: Signer): Promise<string> {
  return toBase64(await signer.raw(preAuthEncoding(fromBase64(readEnvelope(raw).payload, 'payload'))));
}

/** Puts a signature made elsewhere beside those that are there. Nothing is checked: open the result. */
export function addSignature(raw: string, keyid: string, sig: string): string {
  const envelope = readEnvelope(raw);
  return canonicalText({ ...envelope, signatures: [...envelope.signatures, { keyid, sig }] });
}
