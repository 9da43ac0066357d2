import { base64, base64url } from 'multiformats/bases/base64';
import { QuorateError } from '../errors.ts';

/** RFC 4648 §5 without padding, as in JWS. */
export const toBase64Url = (bytes: Uint8Array): string => base64url.encode(bytes).slice(1);

/** Strict: no padding, no white space, no spare bits; throws `DOC_NOT_BASE64`. */
export function fromBase64Url(text: string, what: string): Uint8Array {
  try {
    const bytes = base64url.decode(`u${text}`);
    // The decoder refuses spare bits and takes padding: what is as long as its one spelling has none.
    if (text.length === Math.ceil((bytes.length * 4) / 3)) return bytes;
  } catch (cause) {
    throw new QuorateError('DOC_NOT_BASE64', `${what} is not base64url`, { cause });
  }
  throw new QuorateError('DOC_NOT_BASE64', `${what} is not base64url in its one valid spelling`);
}

/** RFC 4648 §4 with padding, as in DSSE and in signed notes. */
export function toBase64(bytes: Uint8Array): string {
  const bare = base64.encode(bytes).slice(1);
  return bare + '='.repeat((4 - (bare.length % 4)) % 4);
}

export function fromBase64(text: string, what: string): Uint8Array {
  try {
    const bytes = base64.decode(`m${text.replace(/={1,2}$/, '')}`);
    // The decoder refuses spare bits, and characters after the padding: the length says how much of that there is.
    if (text.length === 4 * Math.ceil(bytes.length / 3)) return bytes;
  } catch (cause) {
    throw new QuorateError('DOC_NOT_BASE64', `${what} is not base64`, { cause });
  }
  throw new QuorateError('DOC_NOT_BASE64', `${what} is not base64 in its one valid spelling`);
}
