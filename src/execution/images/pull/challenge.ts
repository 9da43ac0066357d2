import { z } from 'zod';

/** A registry's demand for credentials (RFC 6750, RFC 7617). */
export type Challenge =
  | { scheme: 'basic' }
  | { scheme: 'bearer'; realm: URL; service?: string; scope?: string };

const textMax = 8 * 1024;

/** Reads `www-authenticate`; undefined for what is not understood. */
export function parseChallenge(text: string): Challenge | undefined {
  if (text.length > textMax) return undefined;
  const [, scheme = ''] = /^\s*([A-Za-z]+)(?:\s|$)/.exec(text) ?? [];
  if (scheme.toLowerCase() === 'basic') return { scheme: 'basic' };
  if (scheme.toLowerCase() !== 'bearer') return undefined;
  const values = new Map<string, string>();
  for (const [, key = '', quoted, plain] of text.matchAll(/([A-Za-z]+)=(?:"([^"]*)"|([^\s",]+))/g))
    if (!values.has(key.toLowerCase())) values.set(key.toLowerCase(), quoted ?? plain ?? '');
  const realm = URL.parse(values.get('realm') ?? '');
  if (
    realm === null ||
    !['http:', 'https:'].includes(realm.protocol) ||
    realm.username + realm.password !== ''
  )
    return undefined;
  const [service, scope] = [values.get('service'), values.get('scope')];
  return { scheme: 'bearer', realm, ...(service && { service }), ...(scope && { scope }) };
}

/** A token as it may stand in a header. */
const token = z
  .string()
  .max(64 * 1024)
  .regex(/^[A-Za-z0-9._~+/=-]+$/);
const answer = z.union([z.looseObject({ token }), z.looseObject({ access_token: token })]);

/** The token of a token server's answer (distribution specification); undefined where it holds none. */
export function decodeToken(text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { data } = answer.safeParse(value);
  if (data === undefined) return undefined;
  return 'token' in data ? (data.token as string) : data.access_token;
}
