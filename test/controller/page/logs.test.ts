import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeText, logLineHtml } from '../../../src/controller/page/ansi.ts';
import { pageLimits } from '../../../src/controller/page/limits.ts';
import { LogHtmls } from '../../../src/controller/page/log-html.ts';
import { leftOutNote, limitNote } from '../../../src/protocol/base/log-notes.ts';
import { built, deliverAll, leasedRound } from '../machine/bench.ts';
import { sealedRound } from './rounds.ts';
import { sessionOf, siteOf } from './support.ts';

const linesOf = (count: number, from = 1) =>
  Array.from({ length: count }, (_, n) => `line ${from + n}\n`).join('');

/** A revealed round, its site, and the lease of ada. */
async function revealed() {
  const { bench, run, leases } = await leasedRound();
  await deliverAll(bench, leases, [built, built, built]);
  const site = await siteOf(bench);
  const lease = leases.get('ada')?.id ?? '';
  return { ...site, run, lease, url: `/runs/${run}/logs/${lease}` };
}

/** A revealed round in which builds failed, its site, and the log of ada. */
async function failing(kind: 'exit' | 'aborted') {
  const { bench, run, leases } = await leasedRound();
  const outcome =
    kind === 'exit'
      ? ({ kind, code: 7, artifact: null } as const)
      : ({ kind, reason: 'time', detail: 'over 60 s' } as const);
  await deliverAll(bench, leases, [outcome, outcome, built]);
  const { write, ...site } = await siteOf(bench);
  const [lease = '', other = ''] = ['ada', 'bob'].map((name) => leases.get(name)?.id);
  return {
    ...site,
    bench,
    run,
    lease,
    url: `/runs/${run}/logs/${lease}`,
    write: async (text: string) => {
      for (const one of [lease, other]) await write(one, text);
    },
  };
}

/** A log with so many lines and a failure after them. */
const stepLog = (lines: number) =>
  `quorate: source\nquorate: step 1 of 2: make\n${linesOf(lines - 3)}quorate: step 2 of 2: <b>unit\n${linesOf(3)}\u001b[31mnot ok\n${'quorate: step 2 of 2 failed: exit 7\n'}`;

it.each([
  ...[29, 38, 39, 40, 47, 49, 89, 98, 100, 107].map((code) => [code, '']),
  // Black and white are the text's own.
  ...[30, 37, 90, 97].map((code) => [code, '']),
  ...[31, 32, 36, 91, 96].map((code) => [code, `c${code % 10}`]),
  ...[
    [1, 'b'],
    [7, 'b'],
    [2, 'd'],
    [3, 'i'],
    [4, 'u'],
    [5, ''],
    ['31;1;3', 'c1 b i'],
    ['1;2;3;22', 'i'],
  ],
  ...[
    ['1;2;27', 'd'],
    ['3;4;23', 'u'],
    ['3;4;24', 'i'],
    ['31;39', ''],
    ['31;1;0', ''],
  ],
  // The nearest of eight colours, and what comes after it.
  ...[
    ['38;5;1;4', 'c1 u'],
    ['38;5;15', ''],
    ['38;5;16', ''],
    ['38;5;196', 'c1'],
    ['38;5;231', ''],
  ],
  ...[
    ['38;5;232;3', 'i'],
    ['38;2;255;0;0;4', 'c1 u'],
    ['38;2;39;0;0', ''],
    ['38;2;0;40;0', 'c2'],
  ],
  ...[
    ['48;5;1;3', 'i'],
    ['48;2;1;1;1;4', 'u'],
  ],
])('the style %s is shown as "%s"', (codes, classes) => {
  const shown = logLineHtml(`\u001b[${codes}mx`);
  expect(shown).toBe(classes === '' ? 'x' : `<span class="${classes}">x</span>`);
});

describe('the log of a build', () => {
  it('is shown line by line, each with a link to itself, ten thousand on a page', async () => {
    const { get, write, lease, url, run } = await revealed();
    expect((await get(`/runs/${run}`)).text).toContain(url);
    await write(lease, linesOf(25_001));
    const first = (await get(url)).text;
    expect(first).toContain('Lines 1 to 10000 of 25001');
    expect(first).toContain('<div id="L7"><a href="#L7">7</a><span>line 7</span></div>');
    const last = (await get(`${url}?line=25001`)).text;
    expect(last).toContain('Lines 20001 to 25001 of 25001');
    expect(last).toContain('<div id="L25001">');
    expect((await get(`${url}?line=0`)).text).toContain('Lines 1 to');
    expect((await get(`${url}?line=999999999`)).text).toContain('of 25001');
  });

  it('has its steps as parts that fold, and leads to the one that failed', async () => {
    const { get, write, url } = await failing('exit');
    await write(stepLog(12_000));
    const { text } = await get(url);
    expect(
      [...text.matchAll(/<details class="step"( open)?><summary id="S(\d)">/g)].map(([, open, n]) => [
        n,
        open,
      ]),
    ).toEqual([['1', undefined]]);
    expect(text).toContain('1 step on other pages');
    expect(text).toContain(`<a href="${url}?line=12000#L12000">Jump to the failure</a>`);
    const at = await get(`${url}?at=failure`);
    expect([at.status, at.headers.get('location')]).toEqual([302, `${url}?line=12000#L12000`]);
    const { text: last } = await get(`${url}?line=12000`);
    expect(last).toContain('<details class="step" open><summary id="S2">');
    expect(last).toContain('<a href="#L12000">Jump to the failure</a>');
    expect(last).toContain('exit 7');
    expect(last.match(/<div id="L/g)).toHaveLength(2_005);
    expect((await get(`${url}?at=success`)).status).toBe(200);
  });

  it('has the time since the build began before the first line of each second, where its worker says it', async () => {
    const { get, write, writeTimes, lease, url } = await revealed();
    await write(lease, linesOf(30));
    expect((await get(url)).text).not.toContain('id="times"');
    await writeTimes(lease, '1+0 4+62000 <b>');
    const { text } = await get(url);
    expect(text).toContain('<div class="log timed"');
    expect(text).toContain('<input type="checkbox" id="times" checked>');
    expect([...text.matchAll(/id="L(\d+)" data-t="([^"]*)"/g)].map(([, line, t]) => `${line} ${t}`)).toEqual([
      '1 0:00',
      '5 1:02',
    ]);
  });

  it('that is written still has the times at which its lines came, and those of its worker afterwards', async () => {
    const { get, write, writeTimes, live, liveTimes, lease, url } = await revealed();
    await write(lease, linesOf(6));
    const timed = async () => {
      const { text } = await get(url);
      const lines = [...text.matchAll(/id="L(\d+)" data-t="([^"]*)"/g)].map(([, line, t]) => `${line} ${t}`);
      return [/by (?:its worker|the controller)&#39;s clock/.exec(text)?.[0], ...lines];
    };
    live.add(lease);
    for (const [came, shown] of [
      [
        [
          [1, 0],
          [2, 3_000],
        ],
        ['1 0:00', '2 0:03'],
      ],
      [
        [
          [1, 0],
          [2, 3_000],
          [6, 70_000],
        ],
        ['1 0:00', '2 0:03', '6 1:10'],
      ],
    ] as const) {
      liveTimes.set(lease, new Map(came));
      expect(await timed()).toEqual(['by the controller&#39;s clock', ...shown]);
    }
    live.delete(lease);
    liveTimes.delete(lease);
    await writeTimes(lease, '1+1000 1+1000 4+60000');
    expect(await timed()).toEqual(['by its worker&#39;s clock', '1 0:01', '2 0:02', '6 1:02']);
  });

  it('that is cut says so at its head, and where', async () => {
    const { get, write, lease, url } = await revealed();
    await write(lease, `a line before it\n${leftOutNote(100)}\n`);
    const { text } = await get(url);
    expect(text).toContain('A part of this log did not come to the controller.');
    expect(text).toContain(`<a href="${url}?line=2#L2">Where it is cut</a>`);
    await write(lease, `x\n${limitNote}\n`);
    expect((await get(url)).text).toContain('This log reached 16 MiB; what came after');
  });

  it('is searched, whatever the case and the colours, and the lines lead to where they stand', async () => {
    const { get, write, lease, url } = await revealed();
    await write(lease, `${linesOf(12_000)}an \u001b[31mERR\u001b[0mOR here\n${linesOf(600, 12_002)}`);
    const { text } = await get(`${url}?q=error`);
    expect(text).toContain(`href="${url}?line=12001#L12001"`);
    expect(text).toContain('>1 line<');
    const many = (await get(`${url}?q=line`)).text;
    expect(many.match(/<div id=/g)).toHaveLength(500);
    const more = /href="([^"]*q=line[^"]*from=501)"/.exec(many)?.[1]?.replace('&amp;', '&') ?? '';
    expect((await get(more)).text).toContain('<div id="L501">');
    expect((await get(`${url}?q=nowhere`)).text).toContain('Not found.');
  });

  it('is searched for lines of so many characters at a time', async () => {
    const { get, write, lease, url } = await revealed();
    const long = `${'x'.repeat(8_000)}\n`;
    await write(lease, long.repeat(100));
    const shown = Math.ceil(pageLimits.logFoundChars / 8_000);
    const { text } = await get(`${url}?q=xx`);
    expect(text.match(/<div id=/g)).toHaveLength(shown);
    expect(text).toContain(`from=${shown + 1}`);
  });

  it('grows, and is read anew where its worker began it anew', async () => {
    const { get, write, lease, url } = await revealed();
    expect((await get(url)).text).toContain('There is no log here: none came, or it was one of the oldest');
    await write(lease, `${linesOf(700)}half a li`);
    expect((await get(url)).text).toContain('of 700');
    await write(lease, `${linesOf(800)}`);
    expect((await get(`${url}?line=800`)).text).toContain('line 800');
    await write(lease, linesOf(3));
    expect((await get(url)).text).toContain('Lines 1 to 3 of 3');
  });

  it('is downloaded as text, never shown as a page', async () => {
    const { get, write, lease, url } = await revealed();
    await write(lease, '<script>alert(1)</script>\n');
    const { headers, text } = await get(`${url}/raw`);
    expect(text).toBe('<script>alert(1)</script>\n');
    expect(headers.get('content-disposition')).toMatch(
      /^attachment; filename="[a-z]+-[0-9a-f]{8}-[a-z]+\.log"$/,
    );
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
  });

  it('of a sealed round is for its publisher only, until it is revealed', async () => {
    const { bench, run, leases } = await sealedRound();
    const lease = leases.get('ada')?.id ?? '';
    const url = `/runs/${run}/logs/${lease}`;
    const stranger = await siteOf(bench);
    const operator = await siteOf(bench, { session: sessionOf('operator') });
    const publisher = await siteOf(bench, { session: sessionOf('publisher', 'publisher') });
    const account = await siteOf(bench, { session: sessionOf('publisher') });
    const another = await siteOf(bench, { session: sessionOf('publisher', 'ada') });
    for (const { get, write } of [stranger, operator, account, another]) {
      await write(lease, 'a secret\n');
      for (const path of [url, `${url}/raw`, `${url}/events`, `${url}?q=secret`]) {
        const got = await get(path);
        expect([path, got.status]).toEqual([path, 403]);
        expect(got.text).toContain('LOGS_SEALED');
      }
      expect((await get(`/runs/${run}`)).text).not.toContain(lease);
    }
    await publisher.write(lease, 'a secret\n');
    expect((await publisher.get(url)).text).toContain('a secret');
    expect((await publisher.get(`/runs/${run}`)).text).toContain(url);
    await bench.deliver('cy', leases.get('cy'), built);
    expect((await stranger.get(url)).status).toBe(200);
  });
});

describe('the page of a run with failed builds', () => {
  it('has the end of a log, once for all who saw the same', async () => {
    const { get, write, url, run } = await failing('exit');
    const without = (await get(`/runs/${run}`)).text;
    expect(without).toContain('<strong>ada, bob: exit 7</strong>');
    await write(stepLog(100));
    const { text } = await get(`/runs/${run}`);
    expect(text).toContain('<strong>ada, bob: step 2, exit 7</strong>');
    expect(text.match(/at=failure/g)).toHaveLength(1);
    expect(text).toContain('<span class="c1">not ok</span>');
    expect(text).toContain('quorate: step 2 of 2: &lt;b&gt;unit');
    expect(text).not.toContain(`line ${100 - 20}\n`);
    expect((await get(url)).status).toBe(200);
  });

  it('says why builds were aborted, and shows the last lines', async () => {
    const { get, write, run } = await failing('aborted');
    await write(linesOf(100));
    const { text } = await get(`/runs/${run}`);
    expect(text).toContain('<strong>ada, bob: aborted: time: over 60 s</strong>');
    const shown = /<pre>([^<]*)<\/pre>/.exec(text)?.[1]?.split('&#10;') ?? [];
    expect([shown.length, shown.at(-1)]).toEqual([20, 'line 100']);
  });

  it('shows nothing of a sealed round, also to its publisher no result', async () => {
    const { bench, run, leases } = await leasedRound();
    const failed = { kind: 'exit', code: 7, artifact: null } as const;
    await bench.deliver('ada', leases.get('ada'), failed);
    await bench.deliver('bob', leases.get('bob'), failed);
    for (const session of [undefined, sessionOf('publisher', 'publisher')]) {
      const { get, write } = await siteOf(bench, session && { session });
      await write(leases.get('ada')?.id ?? '', stepLog(100));
      const { text } = await get(`/runs/${run}`);
      expect(text).not.toContain('class="failure"');
      expect(text).not.toContain('not ok');
    }
    await bench.deliver('cy', leases.get('cy'), failed);
    const { get } = await siteOf(bench);
    expect((await get(`/runs/${run}`)).text).toContain('class="failure"');
  });
});

describe('lines of a log as HTML', () => {
  /** A log of so many lines, and how many of them were made. */
  function htmlsOf(count: number, version = () => 1) {
    const told = { made: 0 };
    const page = async (_lease: string, from: number, max: number) => {
      const length = Math.max(0, Math.min(max, count - from + 1));
      const lines = Array.from({ length }, (_, n) => `line ${from + n}`);
      return {
        from,
        lines,
        count,
        version: version(),
        times: new Map<number, number>(),
        timesBy: 'worker' as const,
      };
    };
    const htmls = new LogHtmls({ page }, (line) => {
      told.made++;
      return `<div>${line}</div>`;
    });
    return { htmls, told };
  }

  it('are made once for all who follow, whichever line they begin at', async () => {
    const { htmls, told } = htmlsOf(10_000);
    const ids = Array.from({ length: 40 }, (_, n) => 5_001 + 7 * n);
    for (const from of ids)
      expect((await htmls.from('a', from, false)).html).toMatch(new RegExp(`^<div>line ${from}</div>`));
    await Promise.all(ids.map((from) => htmls.from('a', from, true)));
    expect(told.made).toBe(500);
    expect(await htmls.from('b', 10_001, false)).toEqual({ html: '', lines: 0 });
    expect(told.made).toBe(500);
  });

  it('are made anew for a log that was begun anew, and as far as asked for at an end that grows', async () => {
    let version = 1;
    const { htmls, told } = htmlsOf(260, () => version);
    expect(await htmls.from('a', 255, true)).toMatchObject({ lines: 6 });
    expect(told.made).toBe(6);
    await htmls.from('a', 1, false);
    version++;
    await htmls.from('a', 1, false);
    expect(told.made).toBe(506);
  });

  it('are kept up to a limit, and given in parts of one', async () => {
    const { logEventChars } = pageLimits;
    const lines = Array.from({ length: 250 }, () => 'x'.repeat(Math.ceil(logEventChars / 10)));
    const page = async (_: string, from: number) => ({
      from,
      lines,
      count: 250,
      version: 1,
      times: new Map<number, number>(),
      timesBy: 'worker' as const,
    });
    let made = 0;
    const htmls = new LogHtmls({ page }, (line) => {
      made++;
      return line;
    });
    expect(await htmls.from('a', 1, false)).toMatchObject({ lines: 10 });
    expect(await htmls.from('a', 246, false)).toMatchObject({ lines: 5 });
    expect(made).toBe(250);
    const fitting = Math.floor(pageLimits.logHtmlCharsMax / (25.1 * logEventChars));
    for (let n = 0; n < fitting; n++) await htmls.from(`b${n}`, 1, false);
    made = 0;
    await htmls.from(`b${fitting - 1}`, 1, false);
    expect(made).toBe(0);
    await htmls.from('a', 1, false);
    expect(made).toBe(250);
  });
});

// biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences that are shown as classes
const sequence = /\u001b\[[0-9;:]{0,40}m/;

describe('colours of a terminal', () => {
  it.each([
    ['plain & <b>', 'plain &amp; &lt;b&gt;'],
    ['\u001b[31mred\u001b[0m', '<span class="c1">red</span>'],
    ['\u001b[1;32mok\u001b[22m so', '<span class="c2 b">ok</span><span class="c2"> so</span>'],
    ['\u001b[38;5;196mred\u001b[39m', '<span class="c1">red</span>'],
    ['\u001b[38;2;20;20;250mblue', '<span class="c4">blue</span>'],
    ['\u001b[38;2;128;128;128mgrey', 'grey'],
    ['\u001b[38;5;250;1mgrey', '<span class="b">grey</span>'],
    ['\u001b[30;40mhidden', 'hidden'],
    ['\u001b[48;5;196;4mline', '<span class="u">line</span>'],
    ['\u001b[8mconcealed', 'concealed'],
    ['\u001b]0;title\u0007after', '\\x1b]0;title\\x07after'],
    ['\u001b[31m<img src=x onerror=alert(1)>', '<span class="c1">&lt;img src=x onerror=alert(1)&gt;</span>'],
  ])('%j', (line, html) => expect(logLineHtml(line)).toBe(html));

  it('never add anything but spans of known classes, and lose no text', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom(
        '\u001b[31m',
        '\u001b[38;5;',
        '\u001b[0m',
        '\u001b[',
        'm',
        '"',
        '<',
        '>',
        '&',
        "'",
        ';1m',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const line = pieces.join('');
        const html = logLineHtml(line);
        const text = html.replace(/<span class="(?:[a-z]\d? ?)+">|<\/span>/g, '');
        expect(text).not.toMatch(/[<>"']/);
        expect(text).toBe(line.split(sequence).map(escapeText).join(''));
      }),
    );
  });
});
