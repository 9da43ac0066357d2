import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import { answerWith, revalidate } from '../answer.ts';
import { Packed, packedBody } from '../compress.ts';
import type { HttpEnv } from '../env.ts';

/** The page as one file, and the policy that its own `meta` element states. */
export interface VerifyPage {
  html: Uint8Array;
  policy: string;
}

const type = 'text/html; charset=utf-8';

/** `GET /verify`: the page that verifies in the browser, one file without references. @throws as the port */
export function verifyPageApp(page: () => Promise<VerifyPage>): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  let made: { of: Uint8Array; packed: Packed; hash: string } | undefined;
  app.get('/verify', async (c) => {
    const { html, policy } = await page();
    if (made?.of !== html) {
      const hash = createHash('sha256').update(html).digest('hex').slice(0, 32);
      made = { of: html, packed: new Packed(Uint8Array.from(html)), hash };
    }
    // The same policy as in the file, and that nobody may show it in a frame, which a `meta` element cannot say.
    c.header('content-security-policy', `${policy}; frame-ancestors 'none'`);
    c.header('referrer-policy', 'no-referrer');
    c.header('x-content-type-options', 'nosniff');
    const bytes = await packedBody(c, made.packed, made.hash);
    return answerWith(c, { ...bytes, type, cache: revalidate }, () => {});
  });
  return app;
}
