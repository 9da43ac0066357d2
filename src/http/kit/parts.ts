import { html } from 'hono/html';
import { type AccountFacts, accountOf } from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { shortId } from '../../protocol/base/short-id.ts';
import type { RunSummary } from '../../protocol/wire/runs.ts';

/** Escaped HTML, from `html`. */
export type Html = ReturnType<typeof html>;

/** Text of others on one line: no control or invisible character is left, and `html` escapes the rest. */
export const foreign = (text: string, maxChars = 300): string => escapeLine(text, maxChars);

/** `2026-11-25 14:03:07 UTC`; scripts show how long ago it is. */
export function time(ms: number): Html {
  const iso = new Date(ms).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`;
}

/** An address as text, and as a link where it is one of the web. */
export function webLink(url: string): Html {
  const text = foreign(url, 200);
  const isWeb = /^https?:\/\/[^\s"'<>\\]+$/.test(url) && URL.canParse(url);
  return isWeb ? html`<a href="${url}" rel="noreferrer nofollow">${text}</a>` : html`${text}`;
}

/** Without `refs/heads/` or `refs/tags/`. */
export const refText = (ref: string): string => foreign(ref.replace(/^refs\/(?:heads|tags)\//, ''), 80);

export const command = (text: string): Html =>
  html`<div class="command"><code tabindex="0">${text}</code></div>`;

/** A word of a shell command, quoted where it needs to be. */
export const shellWord = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

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
