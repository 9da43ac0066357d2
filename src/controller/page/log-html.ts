import { LongWork } from '../../store/index.ts';
import type { LogPage, LogPages } from '../node/log-pages.ts';
import { pageLimits } from './limits.ts';
import { lineHtml, type ShownLine } from './log-page.ts';
import { aroundPart, type LogPart } from './log-parts.ts';

/** Lines of one block, which a browser lays out only when it is looked at. */
const blockLines = 250;

/** Characters that stand for an entry of the cache, besides its lines. */
const entryChars = 512;

interface Block {
  /** One line after the other. */
  lines: readonly string[];
  chars: number;
}

interface LogHtml {
  html: string;
  /** Of how many lines. */
  lines: number;
}

/** Lines of logs as HTML, made in slices. All pages and followers of a log share the blocks that were made lately. */
export class LogHtmls {
  readonly #pages: Pick<LogPages, 'page'>;
  readonly #render: typeof lineHtml;
  /** By log, version, place and number of lines; the oldest first. */
  readonly #kept = new Map<string, { making: Promise<Block>; chars: number }>();
  #chars = 0;
  #forget: NodeJS.Timeout | undefined;

  constructor(pages: Pick<LogPages, 'page'>, render = lineHtml) {
    this.#pages = pages;
    this.#render = render;
  }

  /** Lines from one on: to the end of its block, no more than an event has, and `most`. `grows`: the log is written still. */
  async from(lease: string, from: number, grows: boolean, most = Number.POSITIVE_INFINITY): Promise<LogHtml> {
    const begin = Math.floor((from - 1) / blockLines) * blockLines + 1;
    const page = await this.#pages.page(lease, begin, blockLines);
    const { lines } = page;
    // A block that is another one in a moment is made as far as it is asked for.
    const skipped = grows && lines.length < blockLines ? from - begin : 0;
    const block = await this.#block(lease, { ...page, from: begin + skipped, lines: lines.slice(skipped) });
    let html = '';
    const first = from - begin - skipped;
    const end = Math.min(block.lines.length, first + most);
    let at = first;
    for (; at < end && html.length < pageLimits.logEventChars; at++) html += block.lines[at];
    return { html, lines: Math.max(0, at - first) };
  }

  /** The parts of a page, one after the other. */
  async *parts(lease: string, parts: readonly LogPart[]): AsyncGenerator<string> {
    for (const part of parts) {
      const { before, after } = aroundPart(part);
      yield before;
      yield* this.blocks(lease, part);
      yield after;
    }
  }

  /** The lines from one to another in the blocks of a page. */
  async *blocks(lease: string, { from, to }: { from: number; to: number }): AsyncGenerator<string> {
    for (let at = from; at <= to; ) {
      const { html, lines } = await this.from(lease, at, false, to - at + 1);
      if (lines === 0) return;
      // The height of another number of lines is not known before they are laid out.
      yield `<div${lines === blockLines ? ' class="block"' : ''}>${html}</div>`;
      at += lines;
    }
  }

  async #block(lease: string, page: LogPage): Promise<Block> {
    if (page.lines.length === 0) return { lines: [], chars: 0 };
    const key = `${lease} ${page.version} ${page.from} ${page.lines.length} ${page.timesBy} ${page.times.size}`;
    const known = this.#kept.get(key);
    const kept = known ?? { making: made(page, this.#render), chars: 0 };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    clearTimeout(this.#forget);
    this.#forget = setTimeout(() => this.#clear(), pageLimits.logHtmlMs).unref();
    const block = await kept.making;
    if (known === undefined && this.#kept.get(key) === kept) {
      kept.chars = block.chars;
      this.#chars += block.chars;
      this.#bound();
    }
    return block;
  }

  #clear(): void {
    this.#kept.clear();
    this.#chars = 0;
  }

  #bound(): void {
    for (const [key, { chars }] of this.#kept) {
      if (this.#chars <= pageLimits.logHtmlCharsMax) return;
      this.#kept.delete(key);
      this.#chars -= chars;
    }
  }
}

async function made({ lines, from, times }: LogPage, render: typeof lineHtml): Promise<Block> {
  const numbered = lines.map((text, at) => ({ text, line: from + at, ms: times.get(from + at) }));
  const html = await linesHtml(numbered, (line) => `#L${line}`, render);
  return { lines: html, chars: html.reduce((sum, { length }) => sum + length, entryChars) };
}

/** Lines as HTML, each with its link, made in slices: a line of many colours takes a millisecond. */
export async function linesHtml(
  lines: readonly ShownLine[],
  href: (line: number) => string,
  render = lineHtml,
): Promise<string[]> {
  const html: string[] = [];
  const slices = new LongWork();
  for (const { text, line, ...how } of lines) {
    html.push(render(text, line, href(line), how));
    if (slices.isOver) await slices.next();
  }
  return html;
}
