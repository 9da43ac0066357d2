import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import type { HttpEnv } from '../env.ts';

/** The page as one file, and the policy that its own `meta` element states. */
export interface VerifyPage {
  html: Uint8Array;
  policy: string;
}

/** `GET /verify`: the page that verifies in the browser, one file without references. @throws as the port */
export function verifyPageApp(page: () => Promise<VerifyPage>): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get('/verify', async (c) => {
    const { html, policy } = await page();
    const etag = `"${createHash('sha256').update(html).digest('hex').slice(0, 32)}"`;
    // The same policy as in the file, and that nobody may show it in a frame, which a `meta` element cannot say.
    c.header('content-security-policy', `${policy}; frame-ancestors 'none'`);
    c.header('cache-control', 'no-cache');
    c.header('referrer-policy', 'no-referrer');
    c.header('x-content-type-options', 'nosniff');
    c.header('etag', etag);
    if (c.req.header('if-none-match') === etag) return c.body(null, 304);
    return c.body(Uint8Array.from(html), 200, { 'content-type': 'text/html; charset=utf-8' });
  });
  return app;
}
