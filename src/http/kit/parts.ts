import { html } from 'hono/html';
import { type AccountFacts, accountOf, type NextStep } from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { shortRef } from '../../protocol/base/git-ref.ts';
import { duration } from '../../protocol/base/quantity.ts';
import { shortId } from '../../protocol/base/text.ts';
import type { RunSummary } from '../../protocol/wire/runs.ts';

/** Escaped HTML, from `html`. */
export type Html = ReturnType<typeof html>;

/** Marks above and below one letter, beyond which they stand over the lines beside it. No language has as many. */
const stacked = /(\p{M}{6})\p{M}+/gu;

/** Text of others on one line: no control or invisible character is left, no heap of marks, and `html` escapes the rest. */
export const foreign = (text: string, maxChars = 300): string =>
  escapeLine(text, maxChars).replace(stacked, '$1…');

/** `2026-11-25 14:03 UTC`, and the seconds in the title; scripts show how long ago it is. */
export function time(ms: number): Html {
  const iso = new Date(ms).toISOString();
  const shown = (until: number) => `${iso.slice(0, until).replace('T', ' ')} UTC`;
  return html`<time datetime="${iso}" title="${shown(19)}">${shown(16)}</time>`;
}

/** Longer texts lose their middle where there is no room. */
const wholeChars = 24;
/** Characters that stay at the end of such a text. */
const tailChars = 10;

/**
 * A name of others as it stands in tables: all of it is in the page and in the title; where there is no room the style sheet hides its
 * middle, not its end.
 */
export function named(text: string, maxChars = 300): Html {
  const whole = foreign(text, maxChars);
  const chars = [...whole];
  if (chars.length <= wholeChars) return html`${whole}`;
  const [head, tail] = [chars.slice(0, -tailChars).join(''), chars.slice(-tailChars).join('')];
  return html`<span class="long" title="${whole}"><span>${head}</span><span>${tail}</span></span>`;
}

/** A link whose text is such a name: it is called by all of it. */
export function namedLink(href: string, text: string): Html {
  const whole = foreign(text);
  const label = [...whole].length > wholeChars ? html` aria-label="${whole}"` : '';
  return html`<a href="${href}"${label}>${named(text)}</a>`;
}

/** An address of others without its last slash; undefined for one that is none of the web. */
export const webUrl = (url = ''): string | undefined =>
  /^https?:\/\/[^\s"'<>\\]+$/.test(url) && URL.canParse(url) ? url.replace(/\/$/, '') : undefined;

/** An address as text, and as a link where it is one of the web. */
export function webLink(url: string): Html {
  const text = foreign(url, 200);
  return webUrl(url) === undefined
    ? html`${text}`
    : html`<a href="${url}" rel="noreferrer nofollow">${text}</a>`;
}

/** Subject of a commit, as its publisher says, where there is one. */
export const subjectOf = ({ subject }: { subject?: string }): Html =>
  html`${subject === undefined ? '' : html`<strong>${foreign(subject)}</strong> `}`;

/**
 * The operator whose key signed the push, where it is known; then the author that the commit names, which is a text that nobody has
 * checked: it never stands first, and in another type, which no text can imitate.
 */
export const byWords = ({ publisher, author }: { publisher: string; author?: string }): Html =>
  html`${publisher === '' ? '' : html`<span title="The operator whose key signed this push">published by <strong>${foreign(publisher, 80)}</strong></span> `}${author === undefined ? '' : html`<span title="As the commit says; nobody has checked it">commit by <span class="claimed">${foreign(author, 80)}</span></span> `}`;

/** The runs of a branch or tag. */
export const refLink = (ref: string): Html =>
  namedLink(`/runs?ref=${encodeURIComponent(ref)}`, shortRef(ref));

export const command = (text: string): Html =>
  html`<div class="command"><code tabindex="0">${text}</code></div>`;

/** Next steps, the most useful first, each command on a line of its own. */
export const nextSteps = (steps: readonly NextStep[]): Html =>
  html`<ol class="next" aria-label="What to do">${steps.map(
    ({ says, command: line }) =>
      html`<li>${foreign(says, 600)}${line === undefined ? '' : command(foreign(line, 300))}</li>`,
  )}</ol>`;

export function chip(facts: AccountFacts): Html {
  const { state } = accountOf(facts);
  return html`<span class="chip ${state}">${state}</span>`;
}

export const runUrl = (run: string): string => `/runs/${run}`;

/** Runs, each with its state first; a narrow window has a block for each. */
export function runTable(runs: readonly RunSummary[], caption: string): Html {
  if (runs.length === 0) return html`<p class="quiet">None.</p>`;
  return html`<table class="list runs" aria-label="${caption}">
<thead><tr><th scope="col">State</th><th scope="col">Job</th><th scope="col">Why</th><th scope="col">Branch</th><th scope="col">Commit</th><th scope="col" class="number">Took</th><th scope="col">Published</th></tr></thead>
<tbody>${runs.map(
    (run) => html`<tr>
<td>${chip(run)}</td>
<th scope="row">${namedLink(runUrl(run.run), run.name)}${run.test === true ? html` <span class="quiet">test</span>` : ''}</th>
<td class="why">${foreign(accountOf(run).reason)}</td>
<td>${refLink(run.ref)}</td>
<td><code>${foreign(run.commit.slice(0, 10))}</code></td>
<td class="number">${run.doneMs === undefined ? '' : duration(run.doneMs)}</td>
<td>${time(run.submittedAt)}</td>
</tr>`,
  )}</tbody></table>`;
}

/** An id in full where it is selected, short to the eye. */
export const shownId = (id: string): Html => html`<code title="${id}">${shortId(id)}</code>`;
