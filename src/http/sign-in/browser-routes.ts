import { setTimeout as sleep } from 'node:timers/promises';
import type { Context, Hono } from 'hono';
import { z } from 'zod';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { HttpEnv } from '../env.ts';
import { OwnEvents } from '../kit/live.ts';
import { Slots } from '../slots.ts';
import { type Guard, refuse } from './guard.ts';
import { signInLimits } from './limits.ts';
import { UsedNames } from './once.ts';
import { onwardPage, signedOutPage, signInPage, signOutPage } from './pages.ts';
import type { Sealer } from './sealed.ts';
import type { Authority, Right, Session } from './sessions.ts';

const here = 'http://here.invalid';

/** A path of this service to return to after signing in; `/` for whatever would lead to another host, scheme or control character. */
export function returnPath(text: string | undefined): string {
  if (text === undefined || text.length > signInLimits.returnCharsMax) return '/';
  if (!/^\/[\x21-\x7e]*$/.test(text) || text.includes('\\') || !URL.canParse(text, here)) return '/';
  const { origin, pathname, search } = new URL(text, here);
  return origin === here && !pathname.startsWith('//') ? pathname + search : '/';
}

interface Parts {
  guard: Guard;
  authority: Authority | undefined;
  sealer: Sealer;
  now(): number;
}

const transactionSchema = z.object({
  checks: z.object({ state: z.string(), nonce: z.string(), verifier: z.string() }),
  back: z.string(),
  jti: z.string(),
});

const stateRefused = (): QuorateError =>
  new QuorateError('SIGN_IN_STATE', 'this sign-in was not begun in this browser, is too old, or was used', {
    hint: 'Start again.',
  });

/** Gives the browser a new session, and ends the one that it had: nobody can prepare a session for somebody else. */
export function startBrowserSession(c: Context, { sessions, cookies }: Guard, right: Right): Session {
  const before = cookies.session.get(c);
  const { secret, session } = sessions.start(right, 'browser');
  if (before !== undefined) sessions.end(before);
  cookies.session.set(c, secret);
  return session;
}

/** Leads a browser on. A redirect would belong to the navigation from the provider, on which SameSite=Strict cookies are not sent. */
export function leadOn(c: Context, title: string, path: string): Response | Promise<Response> {
  c.header('refresh', `0; url=${path}`);
  return c.html(onwardPage(title, path));
}

/** Pages of people: to sign in at the authority and come back, to sign out, and to hear that a session is over. */
export function browserRoutes(app: Hono<HttpEnv>, { guard, authority, sealer, now }: Parts): void {
  const { cookies, origin } = guard;
  const used = new UsedNames(now);
  const asking = new Slots({
    max: signInLimits.providerAsksMax,
    perClientMax: signInLimits.providerAsksPerAddressMax,
    what: 'questions to the provider',
  });
  const callback = `${origin}/sign-in/callback`;

  app.get('/sign-in', (c) => {
    const session = guard.session(c);
    const back = returnPath(c.req.query('return'));
    return session === undefined
      ? c.html(signInPage({ host: authority?.host, origin, back }))
      : c.html(signOutPage(session));
  });

  app.get('/sign-in/start', async (c) => {
    if (authority === undefined) throw unavailable();
    const { url, checks } = await authority.begin(callback);
    const transaction = { checks, back: returnPath(c.req.query('return')) };
    const seconds = signInLimits.transactionSecondsMax;
    cookies.transaction.set(c, await sealer.seal('transaction', transaction, seconds), seconds);
    return c.redirect(url.href);
  });

  app.get('/sign-in/callback', async (c) => {
    if (authority === undefined) throw unavailable();
    const sealed = await sealer.open('transaction', cookies.transaction.get(c) ?? '');
    cookies.transaction.clear(c);
    try {
      const { success, data } = transactionSchema.safeParse(sealed);
      if (!success) throw stateRefused();
      const { checks, back, jti } = data;
      if (c.req.query('state') !== checks.state) throw stateRefused();
      if (!used.use(jti, now() + signInLimits.transactionSecondsMax * 1000)) throw stateRefused();
      // A stranger who begins anything can have the provider asked about it.
      const release = asking.take(c.env?.client);
      // Behind a proxy the address that the server sees is another one.
      const address = new URL(callback + new URL(c.req.url).search);
      const right = await authority.finish(address, checks).finally(release);
      const session = startBrowserSession(c, guard, right);
      return leadOn(c, `Signed in as ${session.name}`, back);
    } catch (error) {
      // Here, since the cookie that is cleared belongs to the answer.
      return refuse(c, error);
    }
  });

  app.get('/sign-out', (c) => {
    const session = guard.session(c);
    return c.html(session === undefined ? signedOutPage() : signOutPage(session));
  });

  app.post('/sign-out', guard.requireRole('reader'), (c) => {
    const secret = cookies.session.get(c);
    if (secret !== undefined) guard.sessions.end(secret);
    cookies.session.clear(c);
    return c.redirect('/sign-out', 303);
  });

  app.get('/sign-in/session', guard.requireRole('reader'), (c) => {
    const { person, name, role, csrf } = guard.session(c) as Session;
    return c.json({ person, name, role, csrf });
  });

  const events = new OwnEvents(
    signInLimits.streamsPerSessionMax,
    () => new QuorateError('SIGN_IN_BUSY', 'this session has as many streams open as it may'),
  );
  app.get('/sign-in/events', guard.requireRole('reader'), (c) => {
    const session = guard.session(c) as Session;
    return events.stream(c, session, async (stream) => {
      const left = new AbortController();
      stream.onAbort(() => left.abort());
      const over = AbortSignal.any([session.ended, left.signal]);
      await stream.writeSSE({ event: 'signed-in', data: session.role });
      while (!session.ended.aborted && !stream.aborted) {
        await sleep(signInLimits.keepAliveMs, undefined, { signal: over }).catch(() => {});
        if (session.ended.aborted) await stream.writeSSE({ event: 'signed-out', data: '' });
        else await stream.write(': \n\n');
      }
    });
  });
}

const unavailable = (): QuorateError =>
  new QuorateError('SIGN_IN_UNAVAILABLE', 'people sign in here with their key only', {
    hint: 'Run quorate login --page with the address of this service.',
  });
