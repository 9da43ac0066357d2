import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { toUtf8 } from '../base/text.ts';
import { fromBase64, toBase64 } from '../documents/base64.ts';
import { sha256Hex } from '../documents/canonical.ts';
import type { Integrity } from './entry.ts';
import { invalid, type Place, quote } from './fault.ts';
import { dependencyLimits } from './limits.ts';

/**
 * The `h1:` of go.sum, in hexadecimal, over a module's files (`MODULE@VERSION/PATH`, or `go.mod` alone) and their sha256. Undefined
 * where a name has a line break or is there twice. Source: golang.org/x/mod/sumdb/dirhash, Hash1.
 */
export function dirhashOf(files: readonly { name: string; sha256: string }[]): string | undefined {
  const sums = new Map(files.map(({ name, sha256 }) => [name, sha256]));
  if (sums.size < files.length || files.some(({ name }) => name.includes('\n'))) return undefined;
  const keyed = [...sums].map(([name, sum]) => ({ name: toUtf8(name), line: `${sum}  ${name}\n` }));
  const lines = keyed.sort((a, b) => compareBytes(a.name, b.name)).map(({ line }) => line);
  return sha256Hex(toUtf8(lines.join('')));
}

/** Go sorts by bytes of UTF-8, JavaScript by UTF-16. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, n) => byte !== b[n]);
  return at === -1 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
}

const bytesOf = { sha512: 64, sha384: 48, sha256: 32, sha1: 20, md5: 16 } as const;
type Algorithm = keyof typeof bytesOf;
/** Those that count, strongest first: of several, the strongest decides, as in Subresource Integrity. */
const strong = ['sha512', 'sha384', 'sha256'] as const;

/** 64 bytes in base64. */
const digestCharsMax = 88;

/** Bytes of standard base64 with its padding, in hexadecimal; undefined for anything else. */
export function base64ToHex(text: string): string | undefined {
  if (text.length > digestCharsMax) return undefined;
  try {
    return bytesToHex(fromBase64(text, 'a digest'));
  } catch {
    return undefined;
  }
}

/** Hexadecimal as standard base64 with its padding. */
export const base64OfHex = (hex: string): string => toBase64(hexToBytes(hex));

/** Whether two name the same algorithm and digests. */
export const sameHash = (a: Integrity, b: Integrity): boolean =>
  a.algorithm === b.algorithm && a.digests.join() === b.digests.join();

export const sortedDigests = (digests: Iterable<string>): string[] => [...new Set(digests)].sort();

/** Subresource Integrity as npm writes it. Undefined where only sha1 or md5 are there, which do not count. */
export function parseSri(text: string, at: Place): Integrity | undefined {
  const parts = text.split(' ').filter((part) => part !== '');
  if (parts.length === 0 || parts.length > dependencyLimits.digestsMax)
    throw invalid(at, `${quote(text)} is not a hash`);
  const hashes = parts.map((part): { algorithm: Algorithm; hex: string } => {
    const [, algorithm = '', digest = ''] = /^([a-z0-9]+)-([^?]+)(?:\?.*)?$/.exec(part) ?? [];
    const hex = base64ToHex(digest);
    if (!isAlgorithm(algorithm) || hex?.length !== bytesOf[algorithm] * 2)
      throw invalid(at, `${quote(part)} is not a hash`);
    return { algorithm, hex };
  });
  const algorithm = strong.find((one) => hashes.some((hash) => hash.algorithm === one));
  if (algorithm === undefined) return undefined;
  const digests = hashes.filter((hash) => hash.algorithm === algorithm).map(({ hex }) => hex);
  return { algorithm, digests: sortedDigests(digests) };
}

const isAlgorithm = (text: string): text is Algorithm => Object.hasOwn(bytesOf, text);

/** A sha256 in hexadecimal. Throws `LOCK_INVALID`. */
export function parseSha256(text: string, at: Place): Integrity {
  if (!/^[0-9a-f]{64}$/.test(text)) throw invalid(at, `${quote(text)} is not a sha256 in hexadecimal`);
  return { algorithm: 'sha256', digests: [text] };
}
