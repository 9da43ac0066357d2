import { html, raw } from 'hono/html';
import { foreign, type Html, runUrl } from '../../http/kit/parts.ts';
import { counted } from '../../protocol/base/quantity.ts';
import type { FoundLine } from '../node/log-pages.ts';
import type { LogSource } from '../sessions/log-answers.ts';
import { logLineHtml } from './ansi.ts';
import { pageLimits } from './limits.ts';

export const logUrl = (run: string, lease: string): string => `${runUrl(run)}/logs/${lease}`;

/** Where the lines of a log stand in its page: made piece by piece, so that a browser shows the first while the last are made. */
export const linesPlace = '<!-- lines -->';

/** A line with a link to itself. */
export const lineHtml = (line: string, n: number, href: string): string =>
  `<div id="L${n}"><a href="${href}">${n}</a><span>${logLineHtml(line)}</span></div>`;

const slotText = ({ slot }: LogSource): string =>
  slot === 'trusted' ? 'trusted worker' : `slot ${Number(slot) + 1}`;

function head(run: string, name: string, build: LogSource, query: string): Html {
  return html`<p><a href="${runUrl(run)}">← ${foreign(name, 80)}</a></p>
<h1>Log of ${foreign(build.operator, 80)}</h1>
<p class="quiet">${slotText(build)}, worker <code>…${foreign(build.worker.slice(-6), 8)}</code>. <a href="${logUrl(run, build.lease)}/raw">Download as text</a></p>
<form class="filter" action="${logUrl(run, build.lease)}" method="get" role="search">
<label>Search in the log<input type="search" name="q" value="${foreign(query)}" maxlength="200" spellcheck="false"></label><button>Search</button></form>`;
}

/** Lines of a page: from the first to the last, of so many. */
interface ShownLines {
  from: number;
  to: number;
  count: number;
}

/** A page of a log around its lines; of one that is `running` and whose end is on the page, the lines follow as they come. */
export function logBody(
  run: { id: string; name: string },
  build: LogSource,
  { from, to, count }: ShownLines,
  running: boolean,
): Html {
  const url = logUrl(run.id, build.lease);
  const max = pageLimits.logLinesMax;
  const last = Math.max(1, Math.floor((count - 1) / max) * max + 1);
  return html`${head(run.id, run.name, build, '')}
<nav class="pages" aria-label="Pages of the log"><span>${count === 0 ? 'Nothing was written yet.' : `Lines ${from} to ${to} of ${count}`}</span>
${from > 1 ? html`<a href="${url}">First</a><a href="${url}?line=${Math.max(1, from - max)}">Before</a>` : ''}
${to < count ? html`<a href="${url}?line=${to + 1}">After</a><a href="${url}?line=${last}">Last</a>` : ''}
${!running ? '' : html`<label><input type="checkbox" id="follow"> Follow the end</label>`}</nav>
<div class="log" id="log" ${running ? html`data-events="${url}/events" data-next="${to + 1}" ` : ''}tabindex="0" role="region" aria-label="Lines of the log">${raw(linesPlace)}</div>`;
}

/** The result of a search; `lines`: those that were found as HTML. */
export function foundBody(
  run: { id: string; name: string },
  build: LogSource,
  query: string,
  { found, next, lines }: { found: readonly FoundLine[]; next: number | undefined; lines: readonly string[] },
): Html {
  const url = logUrl(run.id, build.lease);
  const more = `${url}?${new URLSearchParams({ q: query, from: String(next ?? 1) })}`;
  return html`${head(run.id, run.name, build, query)}
<nav class="pages" aria-label="Pages of what was found"><span>${found.length === 0 ? 'Not found.' : `${counted(found.length, 'line')}${next === undefined ? '' : ' so far'}`}</span>
<a href="${url}">The whole log</a>${next === undefined ? '' : html`<a href="${more}" rel="next">More</a>`}</nav>
<div class="log" tabindex="0" role="region" aria-label="Lines that were found"><div>${raw(lines.join(''))}</div></div>`;
}
