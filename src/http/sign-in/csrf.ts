import { timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import { QuorateError } from '../../protocol/base/errors.ts';
import { formFields } from '../form.ts';
import { signInLimits } from './limits.ts';

const refused = (why: string): QuorateError =>
  new QuorateError('SIGN_IN_CSRF', `the request is refused: ${why}`, { hint: 'Load the page again.' });

/**
 * Whether a request comes from a page of this origin, by what browsers say and pages cannot forge (Fetch Metadata, else
 * Origin). @throws SIGN_IN_CSRF
 */
export function checkSameOrigin(c: Context, origin: string): void {
  const site = c.req.header('sec-fetch-site');
  const from = c.req.header('origin');
  // A page with the referrer policy `no-referrer` sends `null` for itself too.
  const isForeign = from !== undefined && from !== 'null' && from !== origin;
  if (isForeign || (site === undefined ? from !== origin : site !== 'same-origin'))
    throw refused(`it comes from ${(from ?? site ?? 'nowhere').slice(0, 100)}, not from a page of ${origin}`);
}

/** A field of a form, or undefined. The body is bounded by its length, which a form of a browser has. @throws SIGN_IN_REQUEST */
export async function formField(c: Context, name: string): Promise<string | undefined> {
  const type = c.req.header('content-type') ?? '';
  if (!/^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i.test(type)) return undefined;
  const length = c.req.header('content-length');
  if (length === undefined || Number(length) > signInLimits.bodyBytesMax)
    throw new QuorateError('SIGN_IN_REQUEST', `a form has at most ${signInLimits.bodyBytesMax} bytes`);
  const value = (await formFields(c))[name];
  return typeof value === 'string' ? value : undefined;
}

/**
 * That a form or script of this origin and of this session sent the request: its origin, and the session's token in the field
 * `csrf` or the header `x-csrf-token`. @throws SIGN_IN_CSRF
 */
export async function checkCsrf(c: Context, origin: string, token: string): Promise<void> {
  checkSameOrigin(c, origin);
  const given = Buffer.from(c.req.header('x-csrf-token') ?? (await formField(c, 'csrf')) ?? '');
  const wanted = Buffer.from(token);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw refused('its form is of an earlier session');
}
