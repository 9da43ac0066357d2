import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { pageLimits } from '../../../src/controller/page/limits.ts';
import { LogHtmls, linesHtml } from '../../../src/controller/page/log-html.ts';
import { withLimits } from '../../support/with-limits.ts';

describe('lines of a log as HTML', () => {
  const line = 'x'.repeat(100);
  function htmlsOf(lines: number, given = line) {
    const told = { made: 0 };
    const page = async (_: string, from: number, max: number) => {
      const length = Math.max(0, Math.min(max, lines - from + 1));
      return {
        from,
        lines: Array.from({ length }, () => given),
        count: lines,
        version: 1,
        times: new Map<number, number>(),
        timesBy: 'worker' as const,
      };
    };
    const htmls = new LogHtmls({ page }, (text) => {
      told.made++;
      return text;
    });
    return { told, htmls };
  }
  const all = async (blocks: AsyncIterable<string>) => {
    const got: string[] = [];
    for await (const block of blocks) got.push(block);
    return got;
  };

  it('are those of their block', async () => {
    const { htmls } = htmlsOf(600);
    const counts = [];
    for (const from of [1, 250, 251, 500, 501, 600, 601])
      counts.push((await htmls.from('a', from, false)).lines);
    expect(counts).toEqual([250, 1, 250, 1, 100, 1, 0]);
    expect(await htmls.from('a', 601, true)).toEqual({ html: '', lines: 0 });
  });

  it('come in blocks, of which only whole ones have a known height, up to the last', async () => {
    const { htmls } = htmlsOf(501, 'x');
    const lengths = (await all(htmls.blocks('a', { from: 1, to: 501 }))).map((text) =>
      text.replace('x'.repeat(250), 'X'),
    );
    expect(lengths).toEqual(['<div class="block">X</div>', '<div class="block">X</div>', '<div>x</div>']);
    expect(await all(htmls.blocks('a', { from: 1, to: 250 }))).toHaveLength(1);
    // It was begun anew since.
    expect(await all(htmls.blocks('a', { from: 501, to: 900 }))).toHaveLength(1);
    expect(await all(htmls.blocks('a', { from: 2, to: 1 }))).toEqual([]);
  });

  it('are no more than an event has', async () => {
    const { htmls } = htmlsOf(250);
    withLimits(pageLimits, { logEventChars: 300 });
    expect((await htmls.from('a', 1, false)).lines).toBe(3);
    Object.assign(pageLimits, { logEventChars: 301 });
    expect((await htmls.from('a', 1, false)).lines).toBe(4);
  });

  it('are kept as far as they fit, the one used longest ago goes first, and all go after a while', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    withLimits(pageLimits, { logHtmlCharsMax: 2 * (250 * 100 + 512) });
    const { htmls, told } = htmlsOf(250);
    const made = async (lease: string) => {
      const before = told.made;
      await htmls.from(lease, 1, false);
      return told.made - before;
    };
    expect([await made('a'), await made('b'), await made('a')]).toEqual([250, 250, 0]);
    expect([await made('c'), await made('a'), await made('b')]).toEqual([250, 0, 250]);
    vi.advanceTimersByTime(pageLimits.logHtmlMs - 1);
    expect(await made('b')).toBe(0);
    vi.advanceTimersByTime(pageLimits.logHtmlMs);
    expect([await made('a'), await made('b'), await made('c'), await made('b')]).toEqual([250, 250, 250, 0]);
  });

  it('are made in slices, between which others have their turn', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const order: string[] = [];
    setImmediate(() => order.push('another'));
    const making = linesHtml(
      [
        { text: 'a', line: 1 },
        { text: 'b', line: 2 },
      ],
      String,
      (text) => {
        order.push(text);
        vi.advanceTimersByTime(1_000);
        return text;
      },
    );
    expect(await making).toEqual(['a', 'b']);
    expect(order).toEqual(['a', 'another', 'b']);
  });
});
