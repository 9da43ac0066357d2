import { timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import type { z } from 'zod';
import { QuorateError } from '../protocol/base/errors.ts';
import { signInLimits } from './sign-in/limits.ts';

/** Constant-time comparison of a text with a secret; only a difference of their lengths in bytes shows in its time. */
export function isSecret(given: string | undefined, secret: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Bounds a body by its length, below the bound of the server (`listenHttp`, which refuses `chunked`). @throws SIGN_IN_REQUEST */
function checkBody(c: Context): void {
  const max = signInLimits.bodyBytesMax;
  if (!(Number(c.req.header('content-length') ?? Number.NaN) <= max))
    throw new QuorateError('SIGN_IN_REQUEST', `the body has at most ${max} bytes, and says how many`);
}

/** The fields of a form; none where the body is not in the format that its content type names. */
export async function formFields(c: Context): Promise<Record<string, unknown>> {
  try {
    return await c.req.parseBody();
  } catch (error) {
    // `fetch` throws a TypeError for a body that it cannot parse. That the body is too large, or broke off, is said otherwise.
    if (error instanceof TypeError) return {};
    throw error;
  }
}

/** A field of a form, or undefined. @throws SIGN_IN_REQUEST where the body is larger than `signInLimits.bodyBytesMax` */
export async function formField(c: Context, name: string): Promise<string | undefined> {
  const type = c.req.header('content-type') ?? '';
  if (!/^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i.test(type)) return undefined;
  checkBody(c);
  const value = (await formFields(c))[name];
  return typeof value === 'string' ? value : undefined;
}

/** The body of a request as JSON of a shape. @throws SIGN_IN_REQUEST */
export async function readJson<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const refused = (why: string, cause?: unknown) =>
    new QuorateError('SIGN_IN_REQUEST', `the body is refused: ${why}`, { cause });
  // A page of another origin sends no JSON without being asked whether it may.
  if (!/^application\/json\b/i.test(c.req.header('content-type') ?? '')) throw refused('it is not JSON');
  checkBody(c);
  let value: unknown;
  try {
    value = await c.req.json();
  } catch (cause) {
    throw refused('it is not JSON', cause);
  }
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  throw refused(`${issue?.path.map(String).join('.') || 'its top'}: ${issue?.message ?? 'not valid'}`);
}

const forged = (why: string): QuorateError =>
  new QuorateError('SIGN_IN_CSRF', `the request is refused: ${why}`, { hint: 'Load the page again.' });

/** That browsers say the request is of this origin (Fetch Metadata, else Origin). @throws SIGN_IN_CSRF */
export function checkSameOrigin(c: Context, origin: string): void {
  const site = c.req.header('sec-fetch-site');
  const from = c.req.header('origin');
  // A page with the referrer policy `no-referrer` sends `null` for itself too.
  const isForeign = from !== undefined && from !== 'null' && from !== origin;
  if (isForeign || (site === undefined ? from !== origin : site !== 'same-origin'))
    throw forged(`it comes from ${(from ?? site ?? 'nowhere').slice(0, 100)}, not from a page of ${origin}`);
}

/** Origin, and the session's token in the field `csrf` or the header `x-csrf-token`. @throws SIGN_IN_CSRF */
export async function checkCsrf(c: Context, origin: string, token: string): Promise<void> {
  checkSameOrigin(c, origin);
  if (!isSecret(c.req.header('x-csrf-token') ?? (await formField(c, 'csrf')), token))
    throw forged('its form is of an earlier session');
}
