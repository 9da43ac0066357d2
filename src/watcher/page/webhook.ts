import { Hono } from 'hono';
import type { WebhookParts } from '../../forge/index.ts';
import type { HttpEnv } from '../../http/env.ts';
import { httpLimits } from '../../http/limits.ts';
import { assert } from '../../protocol/base/errors.ts';

/** Bytes of a webhook. A push of many commits may have more: polling sees it. */
export const webhookBytesMax = 1024 * 1024;
assert(httpLimits.bodiesMax * webhookBytesMax <= 2 ** 26, 'bodies that come in take 64 MiB');

export interface WebhookPorts {
  /** Errors: `WEBHOOK_…`. */
  take(parts: Pick<WebhookParts, 'header' | 'body'>): unknown;
}

/** `POST /webhook`. Of what a webhook says nothing is used: the repository and the forge are looked at. */
export function webhookApp({ take }: WebhookPorts): Hono<HttpEnv> {
  return new Hono<HttpEnv>().post('/webhook', async (c) => {
    const body = new Uint8Array(await c.req.arrayBuffer());
    await take({ header: (name) => c.req.header(name), body });
    return c.json({ taken: true }, 202);
  });
}
