import type { NodeKey } from '../../src/identity/keys.ts';
import { fromUtf8 } from '../../src/protocol/base/text.ts';
import {
  type Bundle,
  encodeCanonical,
  fromBase64,
  fromBase64Url,
  preAuthEncoding,
  toBase64,
  toBase64Url,
} from '../../src/protocol/documents/index.ts';

/**
 * One change to a bundle. `group` is the kind of change and the document, `field` where in it. The bundle's own fields are
 * changed in its text; documents inside it are just other strings, so that their mutants need not be decoded again.
 */
export interface Mutant {
  group: string;
  field: string;
  changed: Bundle | string;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export interface Edit {
  field: string;
  value: Json;
}

const enums = [
  ['required', 'none'],
  ['worker', 'trusted-worker', 'publisher', 'reader'],
  ['agreed', 'trusted', 'failed', 'disputed'],
  ['PASSED', 'FAILED'],
  ['x86_64', 'aarch64'],
  ['exit', 'aborted'],
];

/** The same kind of text, one character off: what is hexadecimal, a CID, a PeerId or base64 mostly stays one. */
function nearby(text: string, at: number): string {
  const char = text.charAt(at);
  const next = /[0-8]/.test(char)
    ? String(Number(char) + 1)
    : /[a-e]/.test(char)
      ? String.fromCharCode(char.charCodeAt(0) + 1)
      : /[A-Y]/.test(char) && char !== 'H' && char !== 'N'
        ? String.fromCharCode(char.charCodeAt(0) + 1)
        : char === 'a'
          ? 'b'
          : 'a';
  return text.slice(0, at) + next + text.slice(at + 1);
}

/**
 * `leaves`: each field changed once. `one`: lists and keys dropped, added, reordered too. `likely`: all that a schema may
 * let through, and nothing else. `all`: everything.
 */
type Depth = 'leaves' | 'one' | 'likely' | 'all';

function likely(value: Json): Json[] {
  if (typeof value === 'string') {
    const others = enums.find((all) => all.includes(value))?.filter((one) => one !== value);
    return others ?? (value === '' ? ['a'] : [nearby(value, Math.floor(value.length / 2))]);
  }
  if (typeof value === 'number') return value > 0 ? [value - 1, value + 1] : [value + 1];
  return typeof value === 'boolean' ? [!value] : ['a'];
}

function unlikely(value: Json): Json[] {
  if (typeof value === 'string')
    return value === ''
      ? [1]
      : [nearby(value, 0), nearby(value, value.length - 1), `${value}a`, value.slice(0, -1), '', 1, null];
  return typeof value === 'number' ? [value * 1000 + 7, -1, 1.5, String(value)] : [1];
}

/** Every field changed in turn, every list shortened, doubled, reordered, every key dropped and one added. */
export function* edits(value: Json, depth: Depth, path = ''): Generator<Edit> {
  const here = (key: string | number) => (path === '' ? String(key) : `${path}.${key}`);
  if (Array.isArray(value)) {
    if (value.length > 0 && depth !== 'leaves') yield { field: `${path} emptied`, value: [] };
    for (const [i, item] of value.entries()) {
      for (const edit of edits(item, depth, here(i))) yield { ...edit, value: value.with(i, edit.value) };
      if (depth === 'leaves') continue;
      yield { field: `${here(i)} dropped`, value: value.toSpliced(i, 1) };
      yield { field: `${here(i)} doubled`, value: value.toSpliced(i, 0, item) };
      const before = value[i - 1];
      if (before !== undefined)
        yield { field: `${here(i)} swapped`, value: value.toSpliced(i - 1, 2, item, before) };
    }
    return;
  }
  if (typeof value === 'object' && value !== null) {
    const shaped = depth === 'leaves' || depth === 'likely';
    if (!shaped) yield { field: `${here('unknown')} added`, value: { ...value, unknown: 1 } };
    for (const [key, item] of Object.entries(value)) {
      const { [key]: _, ...rest } = value;
      if (!shaped) yield { field: `${here(key)} dropped`, value: rest };
      for (const edit of edits(item, depth, here(key)))
        yield { ...edit, value: { ...value, [key]: edit.value } };
    }
    return;
  }
  const found = depth === 'all' ? [...likely(value), ...unlikely(value)] : likely(value);
  for (const edit of depth === 'one' || depth === 'leaves' ? found.slice(0, 1) : found)
    yield { field: path, value: edit };
}

/** A document of a bundle: where it stands, and how the bundle looks with another in its place. */
export interface Place {
  name: string;
  raw: string;
  put(raw: string): Bundle;
}

export function messagesOf(bundle: Bundle): Place[] {
  return [
    ...(['charter', 'request', 'publisher'] as const).map((name) => ({
      name,
      raw: bundle[name],
      put: (raw: string) => ({ ...bundle, [name]: raw }),
    })),
    ...bundle.offers.map((raw, i) => ({
      name: 'offer',
      raw,
      put: (other: string) => ({ ...bundle, offers: bundle.offers.with(i, other) }),
    })),
    ...bundle.receipts.flatMap((receipt, i) =>
      (['lease', 'grant'] as const).map((name) => ({
        name,
        raw: receipt[name],
        put: (raw: string) => ({ ...bundle, receipts: bundle.receipts.with(i, { ...receipt, [name]: raw }) }),
      })),
    ),
  ];
}

export function statementsOf(bundle: Bundle): Place[] {
  return [
    ...bundle.receipts.map((receipt, i) => ({
      name: 'receipt',
      raw: receipt.envelope,
      put: (envelope: string) => ({ ...bundle, receipts: bundle.receipts.with(i, { ...receipt, envelope }) }),
    })),
    { name: 'verdict', raw: bundle.verdict, put: (verdict: string) => ({ ...bundle, verdict }) },
  ];
}

const json = (bytes: Uint8Array): Json => JSON.parse(fromUtf8(bytes));

/** A compact JWS, taken apart. */
export function openJws(raw: string): { header: Json; payload: Json; signature: string } {
  const [header = '', payload = '', signature = ''] = raw.split('.');
  return {
    header: json(fromBase64Url(header, 'header')),
    payload: json(fromBase64Url(payload, 'payload')),
    signature,
  };
}

const part = (value: Json): string => toBase64Url(encodeCanonical(value));

export const jwsWith = (header: Json, payload: Json, signature: string): string =>
  `${part(header)}.${part(payload)}.${signature}`;

/** Signed by `key` with no check of the payload, under any `kid`. */
export async function resigned(raw: string, payload: Json, key: NodeKey): Promise<string> {
  const { typ } = openJws(raw).header as { typ: string };
  return key.signer.jws({ alg: 'Ed25519', typ, kid: key.id }, encodeCanonical(payload));
}

export interface OpenEnvelope {
  payloadType: string;
  payload: Json;
  signatures: { keyid: string; sig: string }[];
}

export function openEnvelope(raw: string): OpenEnvelope {
  const { payloadType, payload, signatures } = JSON.parse(raw);
  return { payloadType, payload: json(fromBase64(payload, 'payload')), signatures };
}

export function envelopeWith(open: OpenEnvelope): string {
  return fromUtf8(encodeCanonical({ ...open, payload: toBase64(encodeCanonical(open.payload)) }));
}

/** The payload signed anew by these keys, in this order, and by nobody else. */
export async function envelopeBy(
  payload: Json,
  keys: readonly NodeKey[],
  payloadType: string,
): Promise<string> {
  const message = preAuthEncoding(encodeCanonical(payload));
  const signatures = await Promise.all(
    keys.map(async ({ id, signer }) => ({ keyid: id, sig: toBase64(await signer.raw(message)) })),
  );
  return envelopeWith({ payloadType, payload, signatures });
}

/** Order of the base point (RFC 8032 §5.1): S and S + L are the same signature to a careless verifier. */
const orderL = 2n ** 252n + 27742317777372353535851937790883648493n;

/** A signature of 64 bytes, spoiled: bits of R and S, zeroes, cut, longer, and its malleable twin. */
export function signatureEdits(signature: Uint8Array): { how: string; bytes: Uint8Array }[] {
  const flips = [0, 15, 31, 32, 47, 63].map((at) => ({
    how: `bit of byte ${at}`,
    bytes: signature.with(at, (signature[at] ?? 0) ^ 1),
  }));
  let s = 0n;
  for (let i = 63; i >= 32; i--) s = s * 256n + BigInt(signature[i] ?? 0);
  const twin = Uint8Array.from(signature);
  for (let i = 32, rest = s + orderL; i < 64; i++, rest >>= 8n) twin[i] = Number(rest & 255n);
  return [
    ...flips,
    { how: 'S plus the order', bytes: twin },
    { how: 'zeroes', bytes: new Uint8Array(64) },
    { how: 'cut', bytes: signature.slice(0, 63) },
    { how: 'longer', bytes: Uint8Array.from([...signature, 0]) },
    { how: 'empty', bytes: new Uint8Array() },
  ];
}
