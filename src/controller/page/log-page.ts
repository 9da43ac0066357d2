import { html, raw } from 'hono/html';
import { foreign, type Html, runUrl } from '../../http/kit/parts.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { LogCut } from '../../protocol/base/log-notes.ts';
import { clockText } from '../../protocol/base/log-times.ts';
import { counted, sizeText } from '../../protocol/base/quantity.ts';
import type { FoundLine, LogHead, TimesBy } from '../node/log-pages.ts';
import type { LogSource } from '../sessions/log-answers.ts';
import { logLineHtml } from './ansi.ts';
import { pageLimits } from './limits.ts';
import { failedStep, failureLine, otherSteps, type ShownRange, type StepView } from './log-parts.ts';

export const logUrl = (run: string, lease: string): string => `${runUrl(run)}/logs/${lease}`;

/** Where the lines of a log stand in its page: made piece by piece, so that a browser shows the first while the last are made. */
export const linesPlace = '<!-- lines -->';

export interface ShownLine extends FoundLine {
  /** Time since the build began, of the first line that began then. */
  ms?: number | undefined;
}

/** A line with a link to itself, and its time before it. */
export function lineHtml(
  line: string,
  n: number,
  href: string,
  { isNear, ms }: Omit<ShownLine, 'line' | 'text'> = {},
) {
  const attributes = `${isNear ? ' class="d"' : ''}${ms === undefined ? '' : ` data-t="${clockText(ms)}"`}`;
  return `<div id="L${n}"${attributes}><a href="${href}">${n}</a><span>${logLineHtml(line)}</span></div>`;
}

const slotText = ({ slot }: LogSource): string =>
  slot === 'trusted' ? 'trusted worker' : `slot ${Number(slot) + 1}`;

function head(run: string, name: string, build: LogSource, query: string): Html {
  return html`<p><a href="${runUrl(run)}">← ${foreign(name, 80)}</a></p>
<h1>Log of ${foreign(build.operator, 80)}</h1>
<p class="quiet">${slotText(build)}, worker <code>…${foreign(build.worker.slice(-6), 8)}</code>. <a href="${logUrl(run, build.lease)}/raw">Download as text</a></p>
<form class="filter" action="${logUrl(run, build.lease)}" method="get" role="search">
<label>Search in the log<input type="search" name="q" value="${foreign(query)}" maxlength="200" spellcheck="false"></label><button>Search</button></form>`;
}

/** A page of a log around its lines. `follows`: lines are added as they come. */
export function logBody(
  run: { id: string; name: string },
  build: LogSource,
  shown: ShownRange,
  {
    steps,
    cut,
    times,
    timesBy,
    follows,
  }: Pick<LogHead, 'cut' | 'times' | 'timesBy'> & { steps: readonly StepView[]; follows: boolean },
): Html {
  const { from, to, count } = shown;
  const url = logUrl(run.id, build.lease);
  const max = pageLimits.logLinesMax;
  const last = Math.max(1, Math.floor((count - 1) / max) * max + 1);
  const isTimed = follows || times.size > 0;
  return html`${head(run.id, run.name, build, '')}
${cut === undefined ? '' : html`<p class="notice some">${cuts[cut.why]} <a href="${url}?line=${cut.line}#L${cut.line}">Where it is cut</a></p>`}
<nav class="pages" aria-label="Pages of the log"><span>${count === 0 ? (!build.delivered ? 'Nothing was written yet.' : 'There is no log here: none came, or it was one of the oldest, which are removed.') : `Lines ${from} to ${to} of ${count}`}</span>
${from > 1 ? html`<a href="${url}">First</a><a href="${url}?line=${Math.max(1, from - max)}">Before</a>` : ''}
${to < count ? html`<a href="${url}?line=${to + 1}">After</a><a href="${url}?line=${last}">Last</a>` : ''}
${failureLink(steps, shown, url)}
${!isTimed ? '' : html`<label title="${since[timesBy]}"><input type="checkbox" id="times" checked> Times</label>`}
${!follows ? '' : html`<label><input type="checkbox" id="follow"> Follow the end</label>`}</nav>
${otherSteps(steps, shown, url)}<div class="log${isTimed ? ' timed' : ''}" id="log" ${follows ? html`data-events="${url}/events" data-next="${to + 1}" ` : ''}tabindex="0" role="region" aria-label="Lines of the log">${raw(linesPlace)}</div>`;
}

const since: Readonly<Record<TimesBy, string>> = {
  worker: "Since the build began, by its worker's clock",
  controller: "Since the log began to come, by the controller's clock",
};

const cuts: Readonly<Record<LogCut, string>> = {
  missing:
    'A part of this log did not come to the controller. Its worker has the whole log, and it is shown here once the round is revealed and the controller has fetched it.',
  limit: `This log reached ${sizeText(limits.logBytesMax)}; what came after that was not kept by its worker either.`,
};

function failureLink(steps: readonly StepView[], { from, to }: ShownRange, url: string): Html {
  const failed = failedStep(steps);
  if (failed === undefined) return html``;
  const line = failureLine(failed);
  const page = from <= line && line <= to ? '' : `${url}?line=${line}`;
  return html`<a href="${page}#L${line}">Jump to the failure</a>`;
}

/** The result of a search; `lines`: those that are shown as HTML. */
export function foundBody(
  run: { id: string; name: string },
  build: LogSource,
  query: string,
  { found, next, lines }: { found: readonly FoundLine[]; next: number | undefined; lines: readonly string[] },
): Html {
  const url = logUrl(run.id, build.lease);
  const more = `${url}?${new URLSearchParams({ q: query, from: String(next ?? 1) })}`;
  const count = found.filter(({ isNear }) => isNear === undefined).length;
  return html`${head(run.id, run.name, build, query)}
<nav class="pages" aria-label="Pages of what was found"><span>${count === 0 ? 'Not found.' : `${counted(count, 'line')}${next === undefined ? '' : ' so far'}`}</span>
<a href="${url}">The whole log</a>${next === undefined ? '' : html`<a href="${more}" rel="next">More</a>`}</nav>
<div class="log" tabindex="0" role="region" aria-label="Lines that were found">${raw(placesOf(found, lines))}</div>`;
}

/** Lines one after the other in a block of their own. */
function placesOf(found: readonly FoundLine[], lines: readonly string[]): string {
  const places: string[] = [];
  for (const [at, { line }] of found.entries()) {
    const goesOn = at > 0 && found[at - 1]?.line === line - 1;
    const place = `${goesOn ? places.pop() : ''}${lines[at]}`;
    places.push(place);
  }
  return places.map((place) => `<div class="found">${place}</div>`).join('');
}
