import type { Hono } from 'hono';
import { z } from 'zod';
import { QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { checkSameOrigin, formField, readJson } from '../body.ts';
import type { HttpEnv } from '../env.ts';
import { startBrowserSession } from './browser-routes.ts';
import type { Guard } from './guard.ts';
import type { KeySignIn } from './key-sign-in.ts';
import { OneTimeCodes } from './once.ts';
import { linkPage } from './pages.ts';
import type { Right } from './right.ts';

const answerSchema = z.object({
  'sign-in': z.string().max(limits.documentBytesMax),
  grant: z.string().max(limits.documentBytesMax),
});

/** Signing in with a key: the terminal answers a challenge and gets an address, which a browser opens once. */
export function keyRoutes(
  app: Hono<HttpEnv>,
  parts: { guard: Guard; keySignIn: KeySignIn; now(): number },
): void {
  const { guard, keySignIn, now } = parts;
  const links = new OneTimeCodes<Right>(now);

  app.post('/sign-in/challenge', (c) => c.json(keySignIn.challenge()));

  app.post('/sign-in/key', async (c) => {
    const { 'sign-in': signIn, grant } = await readJson(c, answerSchema);
    const code = links.make(await keySignIn.answer({ signIn, grant }));
    return c.json({ url: `${guard.origin}/sign-in/link?code=${code}` });
  });

  // Opening the address signs nobody in: programs look ahead at addresses, and others may send theirs.
  app.get('/sign-in/link', (c) => {
    const code = c.req.query('code') ?? '';
    const name = links.peek(code)?.name;
    if (name === undefined)
      throw new QuorateError('SIGN_IN_CODE', 'the link is unknown, expired or used', {
        hint: 'Run quorate login again.',
      });
    return c.html(linkPage(name, code));
  });

  app.post('/sign-in/link', async (c) => {
    checkSameOrigin(c, guard.origin);
    const right = links.take((await formField(c, 'code')) ?? '');
    startBrowserSession(c, guard, right);
    return c.redirect('/', 303);
  });
}
