import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { HttpEnv } from '../../http/env.ts';
import { notFound } from '../../http/errors.ts';
import { command, type Html, runUrl } from '../../http/kit/parts.ts';
import { accountOf } from '../../protocol/account/index.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { RunView } from '../node/project-view.ts';
import { type PagePorts, type PageSession, publisherOf } from './ports.ts';

/** A form of one button. Its token is of one session, so that the part around it is not replaced while the page is open. */
const form = (action: string, csrf: string, says: string): Html =>
  html`<form method="post" action="${action}"><input type="hidden" name="csrf" value="${csrf}"><button>${says}</button></form>`;

/** The alarm of a run above its page, with a form for publishers. */
export function alarmPart({ summary }: RunView, publisher: PageSession | undefined): Html {
  if (!accountOf(summary).alarm) return html``;
  const act =
    publisher?.csrf === undefined
      ? html`<p class="quiet">It stays an alarm until somebody who may publish has looked at it, signed in on this page or with <code>quorate show ${summary.run.slice(0, 10)}</code>.</p>`
      : form(`${runUrl(summary.run)}/acknowledge`, publisher.csrf, 'I have looked at it');
  return html`<section class="notice bad"><p><strong>Alarm.</strong> Somebody built something else than the others.</p>${act}</section>`;
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

/** A key that signed in here; an account publishes nothing, whatever its role. */
const keyOf = (session: PageSession | undefined): string | undefined =>
  session?.operator === undefined ? undefined : session.person;

/** Ending a run that goes on: a form for the key that published it, for others the command. */
export function cancelPart(
  { cancel }: PagePorts,
  { summary, over }: RunView,
  session: PageSession | undefined,
): Html {
  if (over) return html``;
  const { run } = summary;
  const key = keyOf(session);
  if (cancel === undefined || key === undefined || session?.csrf === undefined || !cancel.may(run, key))
    return html`<details id="cancel"><summary>Cancel it</summary><p>With the key that published it:</p>${command(`quorate cancel ${run.slice(0, 10)}`)}</details>`;
  return html`<section id="cancel">${form(`${runUrl(run)}/cancel`, session.csrf, 'Cancel this run')}</section>`;
}

/** `POST /runs/RUN/cancel`, as `quorate cancel`: the machine decides. The app that serves the pages holds it to the token of the form. */
export function addCancelRoute(app: Hono<HttpEnv>, ports: PagePorts): void {
  const { cancel, view } = ports;
  if (cancel === undefined) return;
  app.post('/runs/:run/cancel', async (c) => {
    const session = publisherOf(ports, c);
    if (session === undefined) throw notFound('no such page');
    const { run } = view.run(c.req.param('run')).summary;
    // A run is ended by its whole id only.
    if (run !== c.req.param('run')) throw notFound('no such run');
    const key = keyOf(session);
    if (key === undefined)
      throw new QuorateError('CANCEL_PUBLISHER_MISMATCH', 'an account has published nothing', {
        hint: 'Sign in with the key that published the run: quorate login --page.',
      });
    await cancel.run(run, key, `by ${session.operator}`);
    return c.redirect(runUrl(run), 303);
  });
}
