import { Hono } from 'hono';
import { html } from 'hono/html';
import { formFields } from '../../http/body.ts';
import type { HttpEnv } from '../../http/env.ts';
import { page } from '../../http/kit/layout.ts';
import { foreign, type Html, time } from '../../http/kit/parts.ts';
import type { SignIn } from '../../http/sign-in/index.ts';
import { accountLink } from '../../http/sign-in/pages.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { WatchView } from '../machine/view.ts';

export interface PipelinePorts {
  publications(): WatchView['publications'];
  /** Whether it may be published again now. */
  mayAgain(id: string): boolean;
  /** @throws `WATCH_PIPELINE_…` */
  again(id: string, rebuild: boolean, by: string): unknown;
  people: SignIn;
}

type Publication = WatchView['publications'][number];

/** Pages of a watcher for publishers. */
export const watchNav = (current: string) =>
  [
    { href: '/pipelines', text: 'Pipelines' },
    { href: '/approvals', text: 'Pull requests' },
  ].map((link) => ({ ...link, current: link.href === current }));

const idCharsMax = 500;

/** `GET /pipelines` and `POST /pipelines`, for publishers: what was published, and publishing it again under the watcher's rules. */
export function pipelinesApp({ publications, mayAgain, again, people }: PipelinePorts): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use('/pipelines', people.requireRole('publisher'));
  app.get('/pipelines', (c) => {
    const session = people.session(c);
    const all = publications();
    const body = html`<h1>Pipelines</h1>
<p>What is published again is the same commit, under the rules of now, in a request that this watcher signs.</p>
${all.length === 0 ? html`<p class="quiet">None.</p>` : all.map((one) => shown(one, mayAgain(one.id), session?.csrf ?? ''))}`;
    return c.html(
      page({ title: 'Pipelines', account: accountLink(session), nav: watchNav('/pipelines'), body }),
    );
  });
  app.post('/pipelines', async (c) => {
    const { id, which } = await formFields(c);
    if (typeof id !== 'string' || id.length > idCharsMax || (which !== 'all' && which !== 'failed'))
      throw new QuorateError('WATCH_PIPELINE_UNKNOWN', 'the form names no pipeline', {
        hint: 'Load the page again.',
      });
    await again(id, which === 'all', people.session(c)?.name ?? 'somebody who is signed in');
    return c.redirect('/pipelines', 303);
  });
  return app;
}

function shown(
  { id, at, ref, commit, cause, status, jobs }: Publication,
  mayAgain: boolean,
  csrf: string,
): Html {
  const failed = jobs.filter(({ status: of }) => of?.state === 'failure' || of?.state === 'error');
  const button = (which: string, words: string) =>
    html`<button type="submit" name="which" value="${which}">${words}<span class="skip"> ${foreign(ref, 120)}</span></button>`;
  return html`<section class="notice">
<h3>${foreign(ref, 120)}: ${status.state}</h3>
<dl class="facts">
<dt>Commit</dt><dd><code>${commit}</code>, ${time(at)}</dd>
<dt>Says</dt><dd>${foreign(status.says, 300)}</dd>
${jobs.map(({ name, status: of }) => html`<dt>${foreign(name, 80)}</dt><dd>${of === null ? 'nothing yet' : html`${of.state}: ${foreign(of.says, 200)}`}</dd>`)}
</dl>
${
  !mayAgain
    ? ''
    : html`<form method="post" action="/pipelines">
<input type="hidden" name="csrf" value="${csrf}"><input type="hidden" name="id" value="${id}">
${cause.kind === 'pull' ? '' : button('all', 'Run again')}
${failed.length === 0 && status.state !== 'error' ? '' : button('failed', 'Run failed jobs again')}
</form>`
}
</section>`;
}
