import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { answerWith } from './answer.ts';
import { type HttpEnv, targetOf } from './env.ts';
import { Gateway } from './gateway.ts';
import { Routes } from './routes.ts';
import type { PublicView } from './views.ts';

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
  app.get('/v1/*', async (c) =>
    answerWith(c, ...(await routes.answer(targetOf(c), performance.now(), c.env))),
  );
  app.get('/ipfs/*', async (c) => answerWith(c, ...(await gateway.answer(targetOf(c), c.env))));
  return app;
}
