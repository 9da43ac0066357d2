import { z } from 'zod';
import type { NodeKey } from '../identity/keys.ts';
import { joseVerifier } from '../identity/verifier.ts';
import { AskFailed, askJson } from '../node/ask-json.ts';
import { assert, messageOf, QuorateError, reportedError } from '../protocol/base/errors.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import { limits } from '../protocol/base/limits.ts';
import { openMessage, signMessage } from '../protocol/documents/index.ts';
import type { Membership } from '../protocol/sessions/credentials.ts';

/** How long a grant has to last yet for a sign-in to be of use, in seconds. */
const grantSecondsMin = 600;
assert(grantSecondsMin < limits.grantSecondsMax, 'a new grant is of use');

const challengeSchema = z.object({
  challenge: z.string().min(1).max(200),
  project: z.string().max(100),
  aud: z.string().max(300),
});
const linkSchema = z.object({ url: z.string().max(1_000) });
const sessionSchema = z.object({
  person: z.string().max(600),
  name: z.string().max(200),
  role: z.enum(['publisher', 'reader']),
});

/** Origin of a service, from the address of any page of it. @throws {QuorateError} LOGIN_URL_INVALID */
export function originOf(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isLocal = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url?.hostname ?? '');
  if (url === undefined || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLocal)))
    throw new QuorateError('LOGIN_URL_INVALID', `${escapeLine(address, 200)} is not an https address`, {
      hint: 'Give the address of the page, such as https://ci.example.org; http is for this host only.',
    });
  return url.origin;
}

/** Whether the grant of a membership has to be renewed before signing in with it. */
export async function isGrantDue({ grant }: Membership, now: number): Promise<boolean> {
  const { payload } = await openMessage('grant', grant, joseVerifier);
  return payload.exp - now / 1000 < grantSecondsMin;
}

/**
 * Signs in with a member's key, which signs the challenge for that very origin. Returns an address that a browser opens once, within a minute.
 * @throws {QuorateError} `LOGIN_UNREACHABLE`, `LOGIN_REFUSED`, what the service reports
 */
export async function signInWithKey(
  origin: string,
  by: { key: NodeKey; membership: Membership; now: number; signal: AbortSignal },
): Promise<string> {
  const { key, membership, now, signal } = by;
  const { challenge, project, aud } = await ask(origin, '/sign-in/challenge', {}, challengeSchema, signal);
  // The signed document names the origin that was asked, whatever the service says: another one could be passed on to.
  if (aud !== origin || project !== membership.project)
    throw new QuorateError(
      'LOGIN_REFUSED',
      `${origin} says that it is ${escapeLine(aud, 100)} of project ${escapeLine(project, 100)}`,
      { hint: 'Use the address that the owner gave, and --project for another project of yours.' },
    );
  const iat = Math.floor(now / 1000);
  const said = { iss: key.id, aud: origin, project, challenge, iat, exp: iat + limits.signInSecondsMax };
  const { raw } = await signMessage('sign-in', said, key.signer);
  const body = { 'sign-in': raw, grant: membership.grant };
  const { url } = await ask(origin, '/sign-in/key', body, linkSchema, signal);
  if (!URL.canParse(url) || new URL(url).origin !== origin)
    throw new QuorateError('LOGIN_REFUSED', `${origin} leads to another site`);
  return new URL(url).href;
}

/** The account that a terminal's token is for. @throws {QuorateError} `LOGIN_UNREACHABLE`, what the service reports */
export const whoIs = (origin: string, token: string, signal: AbortSignal) =>
  ask(origin, '/sign-in/session', undefined, sessionSchema, signal, { authorization: `Bearer ${token}` });

const errorSchema = z.object({
  error: z.object({ code: z.string().regex(/^[A-Z][A-Z0-9_]{1,60}$/), message: z.string() }),
});

/** Answers of a service of Quorate that runs without signing in, at the paths of that. */
const notThere = new Set(['HTTP_METHOD_NOT_ALLOWED', 'HTTP_NOT_FOUND']);

/** POST of a body, GET without one. */
async function ask<T>(
  origin: string,
  path: string,
  body: object | undefined,
  schema: z.ZodType<T>,
  signal: AbortSignal,
  headers: Record<string, string> = {},
): Promise<T> {
  const asking = askJson(new URL(path, origin), { body, headers, signal });
  const { ok, status, text } = await asking.catch((cause) => {
    if (!(cause instanceof AskFailed)) throw cause;
    throw new QuorateError('LOGIN_UNREACHABLE', `cannot reach ${origin}: ${messageOf(cause)}`, {
      hint: 'Check the address, and that the service runs.',
      cause,
    });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const error = ok ? undefined : errorSchema.safeParse(value).data?.error;
  if (error !== undefined && !notThere.has(error.code))
    throw reportedError(error.code, escapeLine(error.message, 500));
  const { success, data } = schema.safeParse(value);
  if (ok && success) return data;
  const message = `${origin} is not a place to sign in: it answers ${status} at ${path}`;
  throw new QuorateError('LOGIN_REFUSED', message, { hint: 'The service has to run with --sign-in.' });
}
