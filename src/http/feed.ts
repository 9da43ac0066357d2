import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import type { PublicView } from '../runtime/controller/public-view.ts';
import { afterAnswer, type HttpEnv, targetOf } from './env.ts';
import { Gateway } from './gateway.ts';
import { type Answer, Routes } from './routes.ts';
import { streamOf } from './stream.ts';

/** Pages of any origin may read the feed: it is public, and no cookie is taken or sent. */
const readByAll = cors({
  origin: '*',
  allowMethods: ['GET', 'HEAD'],
  allowHeaders: ['If-None-Match'],
  exposeHeaders: ['ETag', 'Quorate-Level', 'RateLimit', 'RateLimit-Policy', 'Retry-After'],
  maxAge: 86_400,
});

/**
 * The HTTP feed of a controller, below `/v1/` and `/ipfs/`: read-only and public. Clients verify the documents as they verify
 * gossip.
 */
export function feedApp(view: PublicView): Hono<HttpEnv> {
  const routes = new Routes(view);
  const gateway = new Gateway(view);
  const app = new Hono<HttpEnv>();
  app.use('/v1/*', readByAll);
  app.use('/ipfs/*', readByAll);
  app.get('/v1/*', async (c) => answerWith(c, await routes.answer(targetOf(c), Date.now())));
  app.get('/ipfs/*', async (c) => answerWith(c, await gateway.answer(targetOf(c))));
  return app;
}

function answerWith(c: Context<HttpEnv>, [answer, release]: [Answer, release: () => void]): Response {
  afterAnswer(c, release);
  const { body, etag, type, cache, fileName, level } = answer;
  if (c.req.header('if-none-match') === etag) {
    // It was read as if it were sent.
    if (body instanceof Uint8Array) c.env.charge?.(body.length);
    return new Response(null, { status: 304, headers: { etag } });
  }
  const whole = body instanceof Uint8Array;
  const headers = {
    'content-type': type,
    'cache-control': cache,
    etag,
    ...(fileName === undefined ? {} : { 'content-disposition': `attachment; filename="${fileName}"` }),
    ...(level === undefined ? {} : { 'quorate-level': level }),
    // An aborted answer has no last chunk, so that clients notice.
    ...(whole ? { 'content-length': String(body.length) } : { 'transfer-encoding': 'chunked' }),
  };
  if (c.req.method === 'HEAD') return new Response(null, { headers });
  return c.body(whole ? Uint8Array.from(body) : streamOf(c, body), 200, headers);
}
