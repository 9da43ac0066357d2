import { type KeyObject, sign, verify } from 'node:crypto';
import { fromUtf8 } from '../protocol/base/text.ts';
import { fromBase64Url } from '../protocol/documents/index.ts';

/** RFC 7515, 7.1, with `alg: Ed25519` (RFC 9864): at once, where jose waits for WebCrypto (docs/adr/0063). */
export function signCompact(header: object, payload: Uint8Array, key: KeyObject): string {
  const signed = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
}

/** Whether a compact JWS is signed with Ed25519 under this key. As strict as jose: one spelling of base64url, no `crit`, no `b64`. */
export function holdsCompact(compact: string, key: KeyObject): boolean {
  const parts = compact.split('.', 4);
  if (parts.length !== 3) return false;
  const [header = '', payload = '', signature = ''] = parts;
  try {
    const { alg, crit, b64 } = membersOf(JSON.parse(fromUtf8(fromBase64Url(header, 'header'))));
    if (alg !== 'Ed25519' || crit !== undefined || b64 !== undefined) return false;
    fromBase64Url(payload, 'payload');
    return verify(null, Buffer.from(`${header}.${payload}`), key, fromBase64Url(signature, 'signature'));
  } catch {
    return false;
  }
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}
