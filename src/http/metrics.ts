import { Hono } from 'hono';
import type { Registry } from 'prom-client';
import type { HttpEnv } from './env.ts';

/** `GET /metrics` in the text format of Prometheus, version 0.0.4. */
export function metricsApp(registry: Registry): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.get('/metrics', async (c) =>
    c.body(await registry.metrics(), 200, {
      'content-type': registry.contentType,
      'cache-control': 'no-store',
    }),
  );
  return app;
}
