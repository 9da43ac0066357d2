import type { Context, Hono } from 'hono';
import { attachment } from '../../http/answer.ts';
import { afterAnswer, type HttpEnv, holderOf, untilGone } from '../../http/env.ts';
import { notFound } from '../../http/errors.ts';
import type { Source } from '../../http/kit/live.ts';
import type { Html } from '../../http/kit/parts.ts';
import { httpLimits } from '../../http/limits.ts';
import { logHtmlWeight, logWeight, searchWeight } from '../../http/prices.ts';
import { paid, streamOf } from '../../http/stream.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { BuildLogs, ShownBuild } from '../node/page-parts.ts';
import type { RunView } from '../node/project-view.ts';
import { pageLimits } from './limits.ts';
import { LogHtmls, linesHtml } from './log-html.ts';
import { foundBody, linesPlace, logBody, logUrl } from './log-page.ts';
import { aroundPart, failedStep, failureLine, partsOf, stepSummary, stepViews } from './log-parts.ts';
import { type PagePorts, sessionOfPublisher, sinceOf, slots } from './ports.ts';

interface Shared {
  pageText(
    c: Context<HttpEnv>,
    parts: { title: string; scripts?: readonly string[]; wide?: boolean; body: Html },
  ): string;
  runAsked(c: Context<HttpEnv>): RunView;
}

/** The log of a build: pages, search, the text, and its lines as they come. */
export function addLogRoutes(app: Hono<HttpEnv>, ports: PagePorts, { pageText, runAsked }: Shared): void {
  const { logs, live } = ports;
  if (logs === undefined) return;
  const searches = slots('searches', pageLimits.searchesMax, pageLimits.searchesPerAddressMax);
  const downloads = slots('logs', httpLimits.treesMax, httpLimits.treesPerAddressMax);
  const htmls = new LogHtmls(logs.pages);
  const sent = (
    c: Context<HttpEnv>,
    type: Record<string, string>,
    text: () => AsyncIterable<string>,
    weight: number,
  ): Response => {
    const headers = { ...type, 'transfer-encoding': 'chunked', 'cache-control': 'no-store' };
    if (c.req.method === 'HEAD') return new Response(null, { headers });
    afterAnswer(c, downloads.take(c.env?.client, holderOf(c.env?.outgoing)));
    return c.body(streamOf(c, bytesOf(text()), { weight }), 200, headers);
  };
  const asked = (c: Context<HttpEnv>) => {
    const run = runAsked(c);
    return { run, ...buildAsked(logs, ports, c, run) };
  };

  app.get('/runs/:run/logs/:lease', async (c) => {
    const { run, build } = asked(c);
    const named = { id: run.summary.run, name: run.summary.name };
    const { q = '' } = c.req.query();
    const layout = { title: `Log of ${build.operator}`, wide: true };
    if (q !== '') {
      const release = searches.take(c.env?.client);
      afterAnswer(c, release);
      const query = q.slice(0, 200);
      const from = numberAsked(c, 'from');
      try {
        const found = await logs.pages.search(build.lease, query, {
          from,
          max: pageLimits.logFoundMax,
          chars: pageLimits.logFoundChars,
          signal: untilGone(c),
          looked: (piece) => paySearched(c, piece),
        });
        const url = logUrl(named.id, build.lease);
        const lines = await linesHtml(found.found, (line) => `${url}?line=${line}#L${line}`);
        const text = pageText(c, { ...layout, body: foundBody(named, build, query, { ...found, lines }) });
        c.env?.account?.sent(text.length, logHtmlWeight);
        return c.html(text, 200, { 'cache-control': 'no-store' });
      } finally {
        release();
      }
    }
    const max = pageLimits.logLinesMax;
    const running = logs.isLive(build.lease);
    const { steps: found, ...head } = await logs.pages.head(build.lease);
    const { count } = head;
    const steps = stepViews(found, { running, result: build.result, ...head });
    const failed = failedStep(steps);
    if (c.req.query('at') === 'failure' && failed !== undefined) {
      const at = failureLine(failed);
      return c.redirect(`${logUrl(named.id, build.lease)}?line=${at}#L${at}`);
    }
    const line = numberAsked(c, 'line');
    const from = Math.floor((line - 1) / max) * max + 1;
    const shown = { from, to: Math.max(from - 1, Math.min(count, from + max - 1)), count };
    const follows = running && count < from + max - 1;
    const body = logBody(named, build, shown, { ...head, steps, follows });
    const [before = '', after = ''] = pageText(c, { ...layout, scripts: ['log.js'], body }).split(linesPlace);
    const parts = partsOf(steps, shown, c.req.query('line') === undefined ? undefined : line);
    const text = () => around(before, htmls.parts(build.lease, parts), after);
    return sent(c, { 'content-type': 'text/html; charset=UTF-8' }, text, logHtmlWeight);
  });

  app.get('/runs/:run/logs/:lease/raw', (c) => {
    const { run, build } = asked(c);
    const { name, commit } = run.summary;
    const type = {
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': attachment(`${name}-${commit.slice(0, 8)}-${build.operator}`, '.log'),
    };
    return sent(c, type, () => logs.read(build.lease), logWeight);
  });

  app.get('/runs/:run/logs/:lease/events', (c) => {
    const { run, build } = asked(c);
    const since = /^\d{1,9}$/.test(sinceOf(c)) ? sinceOf(c) : '1';
    return live.follow(c, `log ${build.lease}`, () => linesSource(logs, htmls, build.lease), {
      since,
      until: sessionOfPublisher(ports, c, run)?.ended,
    });
  });
}

/** Lines from one on; its number is the id of the event before. */
function linesSource({ isLive, pages }: BuildLogs, htmls: LogHtmls, lease: string): Source {
  return {
    everyMs: pageLimits.logLookMs,
    weight: logHtmlWeight,
    async next(id) {
      // Before the file is read: a log that ends in between is read once more.
      const running = isLive(lease);
      const from = Math.max(1, Number(id));
      const { steps: found, count, times } = await pages.head(lease);
      const steps = stepViews(found, { running, count, times });
      const at = steps.findIndex(({ line, end }) => line <= from && from <= end);
      const step = steps[at];
      const before = steps[at === -1 ? steps.length - 1 : at - 1];
      const end = step?.end ?? (steps[0]?.line ?? count + 1) - 1;
      let lines = '';
      let to = from;
      while (
        to <= end &&
        to - from < pageLimits.logEventLinesMax &&
        lines.length < pageLimits.logEventChars
      ) {
        const got = await htmls.from(lease, to, running, end - to + 1);
        if (got.lines === 0) break;
        lines += got.html;
        to += got.lines;
      }
      // How the step before ended is known by now.
      const ended = before === undefined ? '' : String(stepSummary(before));
      if (to === from) return running ? undefined : { name: 'end', data: ended, id, last: true };
      if (step?.line !== from) return { name: 'lines', data: lines, id: String(to) };
      const part = aroundPart({ from, to, step, open: true });
      const data = `${ended}${part.before}<div>${lines}</div>${part.after}`;
      return { name: 'lines', data, id: String(to) };
    },
  };
}

/** A search that has used up what its client gets goes on a little later. A line costs as much as some bytes, however short it is. */
async function paySearched(
  c: Context<HttpEnv>,
  { bytes, lines }: { bytes: number; lines: number },
): Promise<void> {
  await paid(c.env?.account, bytes + 64 * lines, searchWeight);
}

function buildAsked(
  logs: BuildLogs,
  ports: PagePorts,
  c: Context<HttpEnv>,
  run: RunView,
): { build: ShownBuild } {
  const lease = c.req.param('lease');
  const { builds, sealed } = logs.of(run.summary.run, sessionOfPublisher(ports, c, run) !== undefined);
  const build = builds.find((one) => one.lease === lease);
  if (build !== undefined) return { build };
  if (sealed)
    throw new QuorateError(
      'LOGS_SEALED',
      'there is no such log, or its round is sealed until it is revealed',
    );
  throw notFound('there is no such log');
}

function numberAsked(c: Context<HttpEnv>, name: string): number {
  const text = c.req.query(name) ?? '1';
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : 1;
}

async function* around(before: string, blocks: AsyncIterable<string>, after: string): AsyncGenerator<string> {
  yield before;
  yield* blocks;
  yield after;
}

async function* bytesOf(text: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const piece of text) yield Buffer.from(piece);
}
