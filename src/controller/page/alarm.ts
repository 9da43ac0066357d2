import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { HttpEnv } from '../../http/env.ts';
import { notFound } from '../../http/errors.ts';
import { type Html, runUrl } from '../../http/kit/parts.ts';
import { accountOf } from '../../protocol/account/index.ts';
import type { RunView } from '../node/project-view.ts';
import { type PagePorts, type PageSession, publisherOf } from './ports.ts';

/** The alarm of a run above its page, with a form for publishers. Not replaced while the page is open: its token is of one session. */
export function alarmPart({ summary }: RunView, publisher: PageSession | undefined): Html {
  if (!accountOf(summary).alarm) return html``;
  const form =
    publisher?.csrf === undefined
      ? html`<p class="quiet">It stays an alarm until somebody who may publish has looked at it, signed in on this page or with <code>quorate show ${summary.run.slice(0, 10)}</code>.</p>`
      : html`<form method="post" action="${runUrl(summary.run)}/acknowledge"><input type="hidden" name="csrf" value="${publisher.csrf}"><button>I have looked at it</button></form>`;
  return html`<section class="notice bad"><p><strong>Alarm.</strong> Somebody built something else than the others.</p>${form}</section>`;
}

/** `POST /runs/RUN/acknowledge`, of publishers who are signed in. Who serves the pages holds it to the token of the form. */
export function addAlarmRoute(app: Hono<HttpEnv>, ports: PagePorts): void {
  const { acknowledge, view } = ports;
  if (acknowledge === undefined) return;
  app.post('/runs/:run/acknowledge', async (c) => {
    const session = publisherOf(ports, c);
    if (session === undefined) throw notFound('no such page');
    const { run } = view.run(c.req.param('run')).summary;
    await acknowledge(run, session.name ?? 'somebody who is signed in');
    return c.redirect(runUrl(run), 303);
  });
}
