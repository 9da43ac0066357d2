import { Hono } from 'hono';
import type { HttpEnv } from '../../http/env.ts';
import { type BadgePorts, badgeApp } from '../../http/kit/badge.ts';
import { type ApprovalPorts, approvalsApp } from './approvals.ts';
import { type WebhookPorts, webhookApp } from './webhook.ts';

export { webhookBytesMax } from './webhook.ts';

export interface WatchPorts extends BadgePorts {
  /** Absent where there is no secret to check them with. */
  webhook?: WebhookPorts | undefined;
  /** Absent where nobody signs in. */
  approvals?: ApprovalPorts | undefined;
}

/** HTTP routes of a watcher: badges and, where there are ports for them, webhooks and approvals. */
export function watchApp(ports: WatchPorts): Hono<HttpEnv> {
  const { webhook, approvals } = ports;
  const app = new Hono<HttpEnv>().route('/', badgeApp(ports));
  if (webhook !== undefined) app.route('/', webhookApp(webhook));
  if (approvals !== undefined) app.route('/', approvalsApp(approvals));
  return app;
}
