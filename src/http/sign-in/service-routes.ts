import { createHash } from 'node:crypto';
import type { Hono } from 'hono';
import { z } from 'zod';
import type { SignInSettings } from '../../identity/oidc/settings.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { type Charter, type Signer, signMessage } from '../../protocol/documents/index.ts';
import { LongWork } from '../../store/index.ts';
import { readJson } from '../body.ts';
import type { HttpEnv } from '../env.ts';
import { leadOn } from './browser-routes.ts';
import type { Guard } from './guard.ts';
import { signInLimits } from './limits.ts';
import { OneTimeCodes } from './once.ts';
import { type Right, randomSecret, type Session } from './sessions.ts';

/** The key that the identity provider signs with, and its project. */
export interface SessionIssuer {
  signer: Signer;
  charter(): Pick<Charter, 'project'>;
}

const secretPattern = /^[A-Za-z0-9_-]{43}$/;
const askSchema = z.object({
  service: z.string().max(300),
  state: z.string().regex(/^[A-Za-z0-9_-]{22,128}$/),
  challenge: z.string().regex(secretPattern),
  here: z.literal('1').optional(),
});
const exchangeSchema = z.object({
  code: z.string().regex(secretPattern),
  verifier: z.string().min(43).max(128),
  service: z.string().max(300),
});
const renewSchema = z.object({
  service: z.string().max(300),
  /** Handles, and when the session document of each ends that the service has. */
  sessions: z
    .array(z.object({ handle: z.string().regex(secretPattern), exp: z.int() }))
    .max(signInLimits.renewSessionsMax),
});

/** A session document of one service, and what it is renewed with. */
export const exchangeAnswerSchema = z.object({
  session: z.string().max(limits.documentBytesMax),
  handle: z.string().regex(secretPattern),
});
/** In the order of the question: false for a session that is over, true for one that goes on, a document where it is due. */
export const renewAnswerSchema = z.object({
  sessions: z
    .array(z.union([z.boolean(), z.string().max(limits.documentBytesMax)]))
    .max(signInLimits.renewSessionsMax),
});

/** Sign-in for services that are other processes: a one-time code with PKCE becomes a session document and a handle to renew it. */
export function serviceRoutes(
  app: Hono<HttpEnv>,
  parts: { guard: Guard; issuer: SessionIssuer; settings(): SignInSettings; now(): number },
): void {
  const { guard, issuer, settings, now } = parts;
  const codes = new OneTimeCodes<{ right: Right; service: string; challenge: string }>(now);
  const check = (service: string) => {
    if (settings().services.includes(service)) return;
    throw new QuorateError(
      'SIGN_IN_SERVICE_REFUSED',
      `${service.slice(0, 100)} is not a service of this one`,
      { hint: 'Its origin has to be under services in sign-in.toml here.' },
    );
  };

  app.get('/sign-in/authorize', (c) => {
    const asked = askSchema.safeParse(c.req.query());
    if (!asked.success)
      throw new QuorateError('SIGN_IN_REQUEST', 'the service asks in a form that is not known');
    const { service, state, challenge, here } = asked.data;
    check(service);
    const session = guard.session(c);
    const { search } = new URL(c.req.url);
    const again = `/sign-in/authorize${search}${here === undefined ? '&here=1' : ''}`;
    // Coming from another site a browser sends no cookie; from the page here it does.
    if (session === undefined && here === undefined) return leadOn(c, 'Sign in', again);
    if (session === undefined) return c.redirect(`/sign-in?return=${encodeURIComponent(again)}`);
    const url = new URL('/sign-in/callback', service);
    const code = codes.make({ right: session.right, service, challenge }, session.person);
    url.search = new URLSearchParams({ code, state, iss: guard.origin }).toString();
    return c.redirect(url.href);
  });

  const document = async ({ person: sub, name, role }: Session, service: string) => {
    const iat = Math.floor(now() / 1000);
    const { id: iss } = issuer.signer;
    const { project } = issuer.charter();
    const times = { iat, exp: iat + limits.sessionSecondsMax };
    const payload = { iss, aud: service, project, sub, name, role, jti: randomSecret(), ...times };
    return (await signMessage('session', payload, issuer.signer)).raw;
  };

  app.post('/sign-in/exchange', async (c) => {
    const { code, verifier, service } = await readJson(c, exchangeSchema);
    check(service);
    const found = codes.take(code);
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    if (found.service !== service || found.challenge !== challenge)
      throw new QuorateError('SIGN_IN_CODE', 'the code is of another service, or of another sign-in');
    const { secret, session } = guard.sessions.start(found.right, 'service');
    return c.json({ session: await document(session, service), handle: secret });
  });

  app.post('/sign-in/renew', async (c) => {
    const { service, sessions } = await readJson(c, renewSchema);
    // A service that was taken off the list loses its people with the next question.
    const isKnown = settings().services.includes(service);
    const slices = new LongWork();
    const answers: (string | boolean)[] = [];
    for (const { handle, exp } of sessions) {
      const session = isKnown ? guard.sessions.find(handle, 'service') : undefined;
      const isDue = exp * 1000 - now() < (limits.sessionSecondsMax * 1000) / 2;
      answers.push(session !== undefined && (isDue ? await document(session, service) : true));
      if (slices.isOver) await slices.next();
    }
    return c.json({ sessions: answers });
  });
}
