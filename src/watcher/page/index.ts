import { Hono } from 'hono';
import { html } from 'hono/html';
import type { WebhookParts } from '../../forge/index.ts';
import { formFields } from '../../http/body.ts';
import type { HttpEnv } from '../../http/env.ts';
import { type BadgePorts, badgeApp } from '../../http/kit/badge.ts';
import { page } from '../../http/kit/layout.ts';
import { foreign, type Html, time } from '../../http/kit/parts.ts';
import { httpLimits } from '../../http/limits.ts';
import { openApiApp } from '../../http/openapi.ts';
import type { SignIn } from '../../http/sign-in/index.ts';
import { accountLink } from '../../http/sign-in/pages.ts';
import { assert, QuorateError } from '../../protocol/base/errors.ts';
import type { WatchView } from '../machine/view.ts';
import { type PipelinePorts, pipelinesApp, watchNav } from './pipelines.ts';

interface ApprovalPorts {
  pulls(): WatchView['pulls'];
  /** @throws `WATCH_PULL_UNKNOWN`, `WATCH_COMMIT_MISMATCH`. */
  decide(pull: number, commit: string, verdict: 'approved' | 'denied', by: string): unknown;
  people: SignIn;
}

type Pull = WatchView['pulls'][number];

/** `GET /approvals` and `POST /approvals`, for publishers. A form names one commit, the one that its page has shown. */
export function approvalsApp({ pulls, decide, people }: ApprovalPorts): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.route('/', people.app);
  app.use('/approvals', people.requireRole('publisher'));
  app.get('/approvals', (c) => {
    const session = people.session(c);
    const account = accountLink(session);
    const nav = watchNav('/approvals');
    return c.html(page({ title: 'Pull requests', account, nav, body: body(pulls(), session?.csrf ?? '') }));
  });
  app.post('/approvals', async (c) => {
    const { id, verdict } = await formFields(c);
    const [, pull, commit = ''] = /^(\d{1,9})@([0-9a-f]{40}|[0-9a-f]{64})$/.exec(String(id)) ?? [];
    if (pull === undefined || (verdict !== 'approved' && verdict !== 'denied'))
      throw new QuorateError('WATCH_PULL_UNKNOWN', 'the form names no pull request', {
        hint: 'Load the page again.',
      });
    await decide(Number(pull), commit, verdict, people.session(c)?.name ?? 'somebody who is signed in');
    return c.redirect('/approvals', 303);
  });
  return app;
}

function body(pulls: readonly Pull[], csrf: string): Html {
  const [waiting, decided] = [true, false].map((isOpen) =>
    pulls.filter(({ decision }) => (decision === null) === isOpen),
  );
  return html`<h1>Pull requests</h1>
<p>What is approved is built under the floor of the project’s charter. An approval is of one commit: a commit that is pushed afterwards waits again.</p>
<h2>Waiting</h2>
${waiting?.length === 0 ? html`<p class="quiet">None.</p>` : waiting?.map((pull) => shown(pull, csrf))}
<h2>Decided</h2>
${decided?.length === 0 ? html`<p class="quiet">None.</p>` : decided?.map((pull) => shown(pull, csrf))}`;
}

function shown({ id, pull, commit, title, author, base, since, decision }: Pull, csrf: string): Html {
  const button = (verdict: string, words: string) =>
    html`<button type="submit" name="verdict" value="${verdict}">${words}<span class="skip"> ${pull}</span></button>`;
  return html`<section class="notice">
<h3>${pull}: ${foreign(title, 200)}</h3>
<dl class="facts">
<dt>Author</dt><dd>${foreign(author, 80)}</dd>
<dt>Into</dt><dd>${base === null ? '' : foreign(base, 80)}</dd>
<dt>Commit</dt><dd><code>${commit}</code>, seen ${time(since)}</dd>
<dt>Decision</dt><dd>${decision === null ? 'none yet' : `${decision.verdict} by ${foreign(decision.by, 80)}`}</dd>
</dl>
<form method="post" action="/approvals">
<input type="hidden" name="csrf" value="${csrf}"><input type="hidden" name="id" value="${id}">
${decision?.verdict === 'approved' ? '' : button('approved', 'Approve this commit')}
${decision?.verdict === 'denied' ? '' : button('denied', 'Deny')}
</form>
</section>`;
}

/** Bytes of a webhook. A push of many commits may have more: polling sees it. */
export const webhookBytesMax = 1024 * 1024;
assert(httpLimits.bodiesMax * webhookBytesMax <= 2 ** 26, 'bodies that come in take 64 MiB');

interface WebhookPorts {
  /** @throws `WEBHOOK_…`. */
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

export interface WatchPorts extends BadgePorts {
  version: string;
  webhook?: WebhookPorts | undefined;
  approvals?: ApprovalPorts | undefined;
  pipelines?: PipelinePorts | undefined;
}

/** HTTP routes of a watcher: badges, their description and, where there are ports for them, webhooks and approvals. */
export function watchApp(ports: WatchPorts): Hono<HttpEnv> {
  const { webhook, approvals, pipelines, version } = ports;
  const app = new Hono<HttpEnv>().route('/', badgeApp(ports));
  app.route(
    '/',
    openApiApp(version, () => app.routes),
  );
  if (webhook !== undefined) app.route('/', webhookApp(webhook));
  if (approvals !== undefined) app.route('/', approvalsApp(approvals));
  if (pipelines !== undefined) app.route('/', pipelinesApp(pipelines));
  return app;
}
