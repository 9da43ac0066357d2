import { base58btc } from 'multiformats/bases/base58';
import { CID } from 'multiformats/cid';
import { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { Recent } from '../base/maps.ts';
import { withoutControl } from '../base/text.ts';
import { isBelow } from '../base/tree-path.ts';
import { concat } from '../base/whole-bytes.ts';
import { cosignKinds } from './cosign.ts';
import { documentLimits } from './limits.ts';

/** Protobuf prefix of an Ed25519 public key, inside an identity multihash of 36 bytes (libp2p peer-ids spec). */
const ed25519Prefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);

/** 38 bytes in base 58 are 52 characters. */
const peerIdCharsMax = 64;

/** The PeerId (base58btc, `12D3KooW…`) of a 32-byte Ed25519 public key. Source: libp2p peer-ids spec. */
export function peerIdOf(publicKey: Uint8Array): string {
  if (publicKey.length !== 32)
    throw new QuorateError('KEY_INVALID', `an Ed25519 public key has 32 bytes, not ${publicKey.length}`);
  return base58btc.encode(concat([ed25519Prefix, publicKey])).slice(1);
}

const noPeerId = (message: string, cause?: unknown): QuorateError =>
  new QuorateError('KEY_INVALID', message, {
    hint: 'It begins with 12D3KooW. Print it, whole: quorate key for a machine; for a project its owner has it from quorate init or quorate controller.',
    ...(cause === undefined ? {} : { cause }),
  });

/** Decoded keys: messages repeat a few of them, and base 58 takes longer than the rest of checking a message. */
const decodedKeys = new Recent<Uint8Array>(1_000);

/** The 32-byte Ed25519 public key inside a PeerId. Throws `KEY_INVALID` for any other kind of PeerId. */
export function publicKeyOf(peerId: string): Uint8Array {
  return decodedKeys.of(peerId, decodeKey).slice();
}

function decodeKey(peerId: string): Uint8Array {
  let bytes: Uint8Array;
  // Base 58 takes time with the square of the length.
  if (peerId.length > peerIdCharsMax) throw noPeerId(`not a PeerId: ${peerId.slice(0, 80)}…`);
  try {
    bytes = base58btc.decode(`z${peerId}`);
  } catch (cause) {
    throw noPeerId(`not a PeerId: ${peerId}`, cause);
  }
  const key = bytes.slice(ed25519Prefix.length);
  // The library takes letters of other scripts for digits: a key would have many names, and count once for each.
  if (key.length !== 32 || peerIdOf(key) !== peerId)
    throw noPeerId(`not the PeerId of an Ed25519 key: ${peerId}`);
  return key;
}

function isPeerId(text: string): boolean {
  try {
    return publicKeyOf(text).length === 32;
  } catch {
    return false;
  }
}

/** Texts that were checked: the documents of a run repeat a few CIDs. */
const checkedCids = new Recent<boolean>(1_000);

const isCid = (text: string): boolean => text.length <= 120 && checkedCids.of(text, isNewCid);

function isNewCid(text: string): boolean {
  try {
    const cid = CID.parse(text);
    return cid.version === 1 && cid.multihash.code === 0x12 && cid.toString() === text;
  } catch {
    return false;
  }
}

/** Ends the check of a list that holds such a value: otherwise zod goes on, and makes an error for each of its values. */
const ends = { abort: true };
const fault = (error: string) => ({ error, ...ends });

export const peerId = z.string().refine(isPeerId, fault('not the PeerId of an Ed25519 key'));
/** CIDv1, sha2-256, base32: the one spelling a signed document may hold. */
export const cid = z.string().refine(isCid, fault('not a CIDv1 with sha2-256 in base32'));
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, fault('not a sha256 in lower-case hexadecimal'));
export const commitId = z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/, fault('not a full git commit id'));
/** NumericDate of RFC 7519: whole seconds since the epoch. */
export const seconds = z.int().min(0, ends).max(253_402_300_799, ends);
/** Milliseconds since the epoch. */
export const milliseconds = z.int().min(0, ends).max(253_402_300_799_999, ends);
export const count = z.int().min(0, ends).max(Number.MAX_SAFE_INTEGER, ends);
/** A name people gave: an operator, a project, a job. Printable, short, safe on a terminal and in a path. */
export const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, fault('letters, digits, . _ - only, at most 64'));
export const text = (max: number) =>
  z.string().max(max, ends).regex(withoutControl, fault('holds control characters'));
/** Whether texts are in order, each once: one set of them has one spelling. */
export const inOrder = (all: readonly string[]): boolean =>
  all.every((one, n) => n === 0 || (all[n - 1] ?? '') < one);
/** Path of a file below the top of a source tree. */
export const treePath = text(limits.pathBytesMax).refine(
  isBelow,
  fault('not a path below the top of the source tree'),
);
export const multiaddr = text(300).regex(/^\/[a-z0-9]/, fault('not a multiaddr'));
/** 128 random bits or more, base64url: makes two otherwise equal documents two. */
export const nonce = z.string().regex(/^[A-Za-z0-9_-]{22,64}$/, fault('not 128 bits in base64url'));

/** `2·N > M`: two quorums always share an operator, so two artifacts can never both be agreed in a round. */
export const policySchema = z
  .strictObject({
    agree: z.int().min(1).max(documentLimits.slotsMax),
    of: z.int().min(1).max(documentLimits.slotsMax),
    cosign: z.enum(cosignKinds),
    rounds: z.int().min(1).max(documentLimits.roundsMax),
  })
  .refine((p) => p.agree <= p.of, { message: 'agree must not exceed of', path: ['agree'] })
  .refine((p) => 2 * p.agree > p.of, { message: '2 x agree must exceed of', path: ['agree'] });
/** N = `agree` identical receipts of M = `of` operators; `rounds` counts sealed rounds a job may take. */
export type Policy = z.infer<typeof policySchema>;

export const roleSchema = z.enum(['worker', 'trusted-worker', 'publisher', 'reader']);
export type Role = z.infer<typeof roleSchema>;
