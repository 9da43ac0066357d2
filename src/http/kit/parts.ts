import { html } from 'hono/html';
import { type AccountFacts, accountOf } from '../../protocol/account/index.ts';
import { shortId } from '../../protocol/base/short-id.ts';
import type { RunSummary } from '../../protocol/wire/runs.ts';
import { foreign, type Html, refText, time } from './text.ts';

export function chip(facts: AccountFacts): Html {
  const { state } = accountOf(facts);
  return html`<span class="chip ${state}">${state}</span>`;
}

export const runUrl = (run: string): string => `/runs/${run}`;

export function runTable(runs: readonly RunSummary[], caption: string): Html {
  if (runs.length === 0) return html`<p class="quiet">None.</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table>
<thead><tr><th scope="col">State</th><th scope="col">Job</th><th scope="col">Ref</th><th scope="col">Commit</th><th scope="col">Published</th><th scope="col">Why</th></tr></thead>
<tbody>${runs.map(
    (run) => html`<tr>
<td class="narrow">${chip(run)}</td>
<td><a href="${runUrl(run.run)}">${foreign(run.name, 80)}</a>${run.test === true ? html` <span class="quiet">test</span>` : ''}</td>
<td>${refText(run.ref)}</td>
<td class="narrow"><code>${foreign(run.commit.slice(0, 10))}</code></td>
<td class="narrow">${time(run.submittedAt)}</td>
<td>${foreign(accountOf(run).reason)}</td>
</tr>`,
  )}</tbody></table></div>`;
}

/** An id in full where it is selected, short to the eye. */
export const shownId = (id: string): Html => html`<code title="${id}">${shortId(id)}</code>`;
