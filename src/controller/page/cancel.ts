import type { Hono } from 'hono';
import { html } from 'hono/html';
import type { HttpEnv } from '../../http/env.ts';
import { notFound } from '../../http/errors.ts';
import { command, type Html, runUrl } from '../../http/kit/parts.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { RunView } from '../node/project-view.ts';
import { type PagePorts, type PageSession, publisherOf } from './ports.ts';

/** A key that signed in here; an account publishes nothing, whatever its role. */
const keyOf = (session: PageSession | undefined): string | undefined =>
  session?.operator === undefined ? undefined : session.person;

/** Ending a run that goes on: a form for the key that published it, for others the command. Not replaced while the page is open. */
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
  return html`<section id="cancel"><form method="post" action="${runUrl(run)}/cancel"><input type="hidden" name="csrf" value="${session.csrf}"><button>Cancel this run</button></form></section>`;
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
