import { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { toUtf8 } from '../base/text.ts';
import { peerId } from './base.ts';
import { fromBase64Url } from './base64.ts';
import { canonicalText, decodeCanonical, decodeDocument, sha256Hex } from './canonical.ts';
import {
  charterSchema,
  enrolSchema,
  grantSchema,
  inviteSchema,
  possessionSchema,
  sessionSchema,
  signInSchema,
} from './identity.ts';
import { requestSchema } from './job.ts';
import { revocationSchema } from './revocation.ts';
import { ackSchema, claimSchema, leaseSchema, offerSchema } from './round.ts';
import { markVerified, type Signer, type Verified, type Verifier } from './verified.ts';

/** Each message that travels as a compact JWS, by the name that this code uses for it. */
const messageSchemas = {
  charter: charterSchema,
  invite: inviteSchema,
  grant: grantSchema,
  enrol: enrolSchema,
  possession: possessionSchema,
  request: requestSchema,
  offer: offerSchema,
  claim: claimSchema,
  lease: leaseSchema,
  ack: ackSchema,
  revocation: revocationSchema,
  'sign-in': signInSchema,
  session: sessionSchema,
};
export type MessageKind = keyof typeof messageSchemas;
export type Messages = { [K in MessageKind]: z.infer<(typeof messageSchemas)[K]> };
const schemas: { [K in MessageKind]: z.ZodType<Messages[K]> } = messageSchemas;

export const messageKinds = Object.keys(schemas) as MessageKind[];
export const typOf = (kind: MessageKind): string => `quorate-${kind}+jwt`;

const headerSchema = z.strictObject({ alg: z.string().max(40), typ: z.string().max(60), kid: peerId });

/**
 * Opens a compact JWS: size, envelope, header, signature, payload, in that order. The header is exactly `alg: Ed25519`, the kind's
 * `typ`, and as `kid` the payload's `iss`. Says nothing about authority or time: see `checkTime`.
 * @throws {QuorateError} `DOC_…`
 */
export async function openMessage<K extends MessageKind>(
  kind: K,
  compact: string,
  verifier: Verifier,
): Promise<Verified<Messages[K]>> {
  const known = verifier.opened?.get(kind, compact);
  if (known !== undefined) return known as Verified<Messages[K]>;
  if (compact.length > limits.documentBytesMax)
    throw new QuorateError(
      'DOC_TOO_LARGE',
      `${kind} has ${compact.length} characters; at most ${limits.documentBytesMax} are read`,
    );
  const parts = compact.split('.');
  if (parts.length !== 3)
    throw new QuorateError('DOC_NOT_JWS', `${kind} is not a compact JWS of three parts`);
  const [protectedPart = '', payloadPart = '', signaturePart = ''] = parts;
  const header = decodeCanonical(
    fromBase64Url(protectedPart, `${kind} header`),
    headerSchema,
    `${kind} header`,
    512,
  );
  if (header.alg !== 'Ed25519')
    throw new QuorateError(
      'DOC_WRONG_ALG',
      `${kind} is signed with "${header.alg}"; only Ed25519 is accepted`,
    );
  if (header.typ !== typOf(kind))
    throw new QuorateError('DOC_WRONG_TYPE', `expected a document of type ${typOf(kind)}, got ${header.typ}`);
  if (
    fromBase64Url(signaturePart, `${kind} signature`).length !== 64 ||
    !(await verifier.jws(compact, header.kid))
  ) {
    throw new QuorateError('DOC_BAD_SIGNATURE', `${kind} does not carry a valid signature of ${header.kid}`);
  }
  const bytes = fromBase64Url(payloadPart, `${kind} payload`);
  const payload = decodeDocument(kind, bytes, schemas[kind], limits.documentBytesMax);
  if (payload.iss !== header.kid)
    throw new QuorateError(
      'DOC_WRONG_ISSUER',
      `${kind} names ${payload.iss} as its issuer but ${header.kid} signed it`,
    );
  const message = markVerified({ payload, raw: compact, id: sha256Hex(bytes), signer: header.kid });
  verifier.opened?.put(kind, compact, message);
  return message;
}

/** One part of a compact JWS, read by `read` without a look at its signature; undefined where that throws. */
function claimed<T>(
  part: 'header' | 'payload',
  compact: string,
  read: (bytes: Uint8Array) => T,
): T | undefined {
  const [header = '', payload = ''] = compact.slice(0, limits.documentBytesMax).split('.');
  try {
    return read(fromBase64Url(part === 'header' ? header : payload, part));
  } catch {
    return undefined;
  }
}

/** The id that a compact JWS has if it holds: enough to see whether it is known already. */
export const claimedIdOf = (compact: string): string | undefined => claimed('payload', compact, sha256Hex);

/** The key that a compact JWS names as its signer, unverified. */
export const claimedSignerOf = (compact: string): string | undefined =>
  claimed('header', compact, (bytes) => decodeCanonical(bytes, headerSchema, 'header', 512).kid);

/** The payload of a compact JWS of one kind, unverified. */
export const claimedPayloadOf = <K extends MessageKind>(kind: K, compact: string): Messages[K] | undefined =>
  claimed('payload', compact, (bytes) => decodeDocument(kind, bytes, schemas[kind], limits.documentBytesMax));

/** Signs a message after checking its payload against the schema. */
export async function signMessage<K extends MessageKind>(
  kind: K,
  payload: Messages[K],
  signer: Signer,
): Promise<Verified<Messages[K]>> {
  const text = canonicalText(payload);
  const known = signer.signed?.get(kind, text);
  if (known !== undefined) return known as Verified<Messages[K]>;
  const bytes = toUtf8(text);
  const checked = decodeDocument(kind, bytes, schemas[kind], limits.documentBytesMax);
  if (checked.iss !== signer.id)
    throw new QuorateError('DOC_WRONG_ISSUER', `${kind} names ${checked.iss} but ${signer.id} would sign it`);
  const raw = await signer.jws({ alg: 'Ed25519', typ: typOf(kind), kid: signer.id }, bytes);
  const message = markVerified({ payload: checked, raw, id: sha256Hex(bytes), signer: signer.id });
  signer.signed?.put(kind, text, message);
  return message;
}

/** `iat` not in the future, `exp` not past, at `now` (ms), with the allowed skew. Throws `DOC_FROM_FUTURE`, `DOC_EXPIRED`. */
export function checkTime(document: { iat: number; exp?: number }, now: number, what: string): void {
  const nowSeconds = Math.floor(now / 1000);
  if (document.iat > nowSeconds + limits.clockSkewSeconds)
    throw new QuorateError(
      'DOC_FROM_FUTURE',
      `${what} was issued ${document.iat - nowSeconds} s in the future`,
      { hint: 'Check the clocks of both machines (timedatectl).' },
    );
  if (document.exp !== undefined && document.exp + limits.clockSkewSeconds < nowSeconds)
    throw new QuorateError('DOC_EXPIRED', `${what} expired ${nowSeconds - document.exp} s ago`);
}
