import { Hono } from 'hono';
import type { HttpEnv } from '../env.ts';
import { type BadgePorts, badgeApp } from './badge.ts';
import { type WebhookPorts, webhookApp } from './webhook.ts';

export { webhookBytesMax } from './webhook.ts';

/** All that a watcher serves. Webhooks are absent where it has no secret to check them with. */
export function watchApp(ports: BadgePorts & { webhook?: WebhookPorts | undefined }): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>().route('/', badgeApp(ports));
  return ports.webhook === undefined ? app : app.route('/', webhookApp(ports.webhook));
}
