import fc from 'fast-check';
import { html } from 'hono/html';
import { describe, expect, it } from 'vitest';
import { treeCid } from '../../../simulations/paperwork.ts';
import { agreement } from '../../../src/controller/page/agreement.ts';
import { logLineHtml } from '../../../src/controller/page/ansi.ts';
import { groupsOf } from '../../../src/controller/page/axes.ts';
import { drawingOf, graph } from '../../../src/controller/page/graph.ts';
import { pageLimits } from '../../../src/controller/page/limits.ts';
import { foundBody, logBody } from '../../../src/controller/page/log-page.ts';

import { history } from '../../../src/controller/page/run-page.ts';
import { fileTable } from '../../../src/controller/page/tree-routes.ts';
import type { LogSource } from '../../../src/controller/sessions/log-answers.ts';
import { errorPage, errorPageWith, page } from '../../../src/http/kit/layout.ts';
import { foreign, named, namedLink, webLink } from '../../../src/http/kit/parts.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { A, B } from '../../controller/machine/bench.ts';
import { withLimits } from '../../support/with-limits.ts';

const textOf = async (html: unknown): Promise<string> => String(await html);
const count = (text: string, what: string | RegExp): number => text.split(what).length - 1;

describe('the pipeline', () => {
  const job = (run: string, name: string, needs: string[] = [], more = {}) =>
    ({
      run,
      name,
      state: 'done',
      level: 'trusted',
      needs: needs.map((of) => ({ run: of, name: of })),
      ...more,
    }) as never;
  const boxes = (text: string) =>
    [...text.matchAll(/<rect x="(\d+)" y="(\d+)"/g)].map(([, x, y]) => `${x} ${y}`);

  it('has a column for each step, and in it a row for each job', async () => {
    const text = await textOf(
      graph(
        [job('a', 'lib'), job('b', 'doc'), job('c', 'app', ['a']), job('d', 'all', ['a', 'c', 'gone'])],
        'c',
      ),
    );
    // That one which needs none, and which none needs, is not drawn.
    expect(boxes(text)).toEqual(['1 1', '213 23', '425 1']);
    expect(text).toContain('width="595" height="65"');
    expect(text).toContain('aria-label="doc, trusted"');
    expect([...text.matchAll(/class="edge" d="([^"]+)"/g)].map(([, d]) => d)).toEqual([
      'M169 21C191 21 191 43 213 43',
      // Above the box between them.
      'M169 21C191 21 191 5 213 5H381C403 5 403 21 425 21',
      'M381 43C403 43 403 21 425 21',
    ]);
    expect(count(text, 'aria-current="page"')).toBe(1);
    expect(text).toContain('class="trusted here"><a href="/runs/c"');
    expect(text).toContain('aria-label="all, trusted, needs a, c, gone"');
    expect(text).toContain('aria-label="lib, trusted"');
  });

  it('draws jobs that need each other', async () => {
    expect(boxes(await textOf(graph([job('a', 'lib', ['b']), job('b', 'app', ['a'])], 'a')))).toEqual([
      '1 1',
      '213 1',
    ]);
  });

  it('draws a matrix as one box, with how many of its jobs are in the worst state', async () => {
    const tests = ['gcc.1', 'gcc.2', 'clang.1', 'clang.2'].map((name, n) =>
      job(`t${n}`, `test.${name}`, ['a'], n === 2 ? { level: 'failed' } : {}),
    );
    const all = [job('a', 'lib'), ...tests, job('z', 'all', ['t0', 't1', 't2', 't3'])];
    const text = await textOf(graph(all, 't0'));
    expect(boxes(text)).toHaveLength(3);
    expect(count(text, 'class="edge"')).toBe(2);
    expect(text).toContain(
      'class="failed here"><a href="/runs/t0" aria-label="test, 4 jobs, 1 failed, 3 trusted" aria-current="page"',
    );
    expect(text).toContain('>4 jobs, 1 failed</text>');
  });

  it('draws so many needs', async () => {
    withLimits(pageLimits, { edgesDrawnMax: 2 });
    const text = await textOf(
      graph([job('a', 'lib'), ...['b', 'c', 'd'].map((run) => job(run, run, ['a']))], 'a'),
    );
    expect([count(text, 'class="edge"'), text.includes('2 of 3 needs are drawn.')]).toEqual([2, true]);
  });

  it('makes ways for the needs that it draws alone', () => {
    const ids = Array.from({ length: limits.pipelineJobsMax }, (_, n) => `r${n}`);
    const all = ids.map((run, n) => job(run, `job-${n}`, ids.slice(Math.max(0, n - limits.jobInputsMax), n)));
    const { items, edges, needs } = drawingOf(groupsOf(all));
    expect([edges.length, needs]).toEqual([pageLimits.edgesDrawnMax, 4_320]);
    expect(items.length).toBeLessThan(ids.length + pageLimits.edgesDrawnMax);
  });

  it('leads no edge behind a box', () => {
    const jobs = fc.array(fc.array(fc.nat(20), { maxLength: 4 }), { minLength: 2, maxLength: 25 });
    fc.assert(
      fc.property(jobs, (needs) => {
        const all = needs.map((of, n) =>
          job(
            `r${n}`,
            `job-${n}`,
            of.filter((one) => one < n).map((one) => `r${one}`),
          ),
        );
        const { items, edges } = drawingOf(groupsOf(all));
        const boxes = items.filter(({ isLane }) => !isLane);
        for (const d of edges) {
          // Straight pieces, between curves that stay in the gap of two columns.
          const straight = [...d.matchAll(/(\d+) ([\d.]+)H(\d+)/g)].map(([, from, y, to]) =>
            [from, y, to].map(Number),
          );
          for (const [from = 0, y = 0, to = 0] of straight)
            expect(
              boxes.filter((box) => box.x < to && box.x + 168 > from && box.y <= y && box.y + 40 >= y),
            ).toEqual([]);
          for (const [, c1, c2, x] of d.matchAll(/C(\d+) [\d.]+ (\d+) [\d.]+ (\d+)/g))
            expect([Number(c1), Number(c2)]).toEqual([Number(x) - 22, Number(x) - 22]);
        }
        for (const { column, y } of boxes)
          expect(boxes.filter((other) => other.column === column && Math.abs(other.y - y) < 54)).toHaveLength(
            1,
          );
      }),
      { numRuns: 100 },
    );
  });

  it('shortens a name of more than twenty characters, and says which jobs are tests', async () => {
    const text = await textOf(
      graph([job('a', 'n'.repeat(20)), job('b', 'm'.repeat(21), ['a'], { test: true })], 'a'),
    );
    expect(text).toContain(`>${'n'.repeat(20)}</text>`);
    expect(text).toContain(`>${'m'.repeat(19)}…</text>`);
    expect([count(text, ' · test<'), text.indexOf(' · test<') > text.indexOf('mmm…')]).toEqual([1, true]);
    // It is called by all that is seen of it.
    expect(text).toContain(`aria-label="${'m'.repeat(21)}, trusted · test, needs a"`);
  });
});

describe('a colour of a terminal', () => {
  it.each([
    // Black and white end the colour before them.
    ...['30', '37', '90', '97', '39', '38;5;0', '38;5;16', '38;5;232'].map((code) => [`31;${code}`, '']),
    // A part that is neither among the stronger nor the weaker ones is left out.
    ...[
      ['38;2;200;100;0', 'c1'],
      ['38;2;0;200;100', 'c2'],
      ['38;2;100;0;200', 'c4'],
      ['38;2;200;101;0', 'c3'],
      ['38;5;15;31', 'c1'],
    ],
  ])('%s is shown as "%s"', (codes, classes) => {
    const shown = logLineHtml(`\u001b[${codes}mx`);
    expect(shown).toBe(classes === '' ? 'x' : `<span class="${classes}">x</span>`);
  });
});

it('the events of a run are its last ones, and how many there are', async () => {
  const told = (n: number) =>
    Array.from({ length: n }, (_, at) => ({
      at: at * 1000,
      progress: { kind: 'reopened', reason: 'x' } as const,
    }));
  const max = pageLimits.eventsShownMax;
  const all = await textOf(history(told(max)));
  expect([count(all, '<li>'), all.includes('The last')]).toEqual([max, false]);
  const some = await textOf(history(told(max + 1)));
  expect([count(some, '<li>'), some.includes(`The last ${max} of ${max + 1} events.`)]).toEqual([max, true]);
});

it('a long name is whole in the page, its title and its link, in two pieces of which the style sheet hides the first', async () => {
  const whole = `feature/${'x'.repeat(20)}-part-2-of-7`;
  expect(await textOf(named('x'.repeat(24)))).toBe('x'.repeat(24));
  expect(await textOf(named(whole))).toBe(
    `<span class="long" title="${whole}"><span>${whole.slice(0, -10)}</span><span>${whole.slice(-10)}</span></span>`,
  );
  // No character is cut in two.
  expect(await textOf(named('\u{1f600}'.repeat(30)))).not.toMatch(/\\ud/);
  expect(await textOf(namedLink('/x', 'short'))).toBe('<a href="/x">short</a>');
  expect(await textOf(namedLink('/x', whole))).toMatch(`<a href="/x" aria-label="${whole}"><span`);
});

it('events of a second stand under one time, and are folded where they are many', async () => {
  const told = (...ats: number[]) =>
    textOf(history(ats.map((at) => ({ at, progress: { kind: 'reopened', reason: `at ${at}` } as const }))));
  const two = await told(0, 999, 1000);
  expect([count(two, '<li>'), two.includes('<details>')]).toEqual([2, false]);
  expect(two).toContain('<div><p>built again: at 0</p><p>built again: at 999</p></div>');
  const many = await told(5000, 5100, 5999);
  expect(count(many, '<li>')).toBe(1);
  expect(many).toContain(
    '<summary>built again: at 5999 <span class="quiet">and 2 before it</span></summary>',
  );
});

describe('the results of a round', () => {
  const account = { state: 'disputed', over: true, alarm: false, reason: '', next: [] } as never;
  const round = { kind: 'round', round: 1, agree: 2, of: 3 };
  const of = (slot: number | 'trusted', operator: string, result = A) => ({
    slot,
    operator,
    worker: 'worker-of-it',
    result,
  });
  const shown = (...all: object[]) =>
    textOf(agreement(all.map((progress) => ({ at: 0, progress })) as never, account));
  const rows = (text: string) =>
    [...text.matchAll(/<th scope="row">([^<]*)(.*?)<\/th>/g)].map(
      ([, name = '', more = '']) =>
        `${name.trim()}${more.includes('trusted worker') ? ' (trusted worker)' : ''}`,
    );
  /** The words of each group, without the result itself. */
  const groups = (text: string) =>
    [...text.matchAll(/colspan="4">([^<]*) <span class="quiet">([^<]*)</g)].map(
      ([, says, whom]) => `${says}: ${whom}`,
    );

  it('are in the order of the operators, of one operator in that in which they were told', async () => {
    const results = [of(1, 'cy'), of(0, 'ada'), of(2, 'bob'), of('trusted', 'bob')];
    const text = await shown(round, { kind: 'revealed', round: 1, results });
    expect(rows(text)).toEqual(['ada', 'bob', 'bob (trusted worker)', 'cy']);
    expect(groups(text)).toEqual(['✓ same: 3 operators and the trusted worker']);
    expect(text).toContain('<details open><summary>Round 1: 2 of 3 have to agree');
  });

  it('name the files that differ, and how many more there are', async () => {
    const differs = (files: string[], n: number) =>
      shown(
        round,
        { kind: 'revealed', round: 1, results: [of(0, 'ada')] },
        { kind: 'differs', round: 1, files, count: n },
      );
    expect(await differs(['x', 'y'], 2)).toContain('Files that differ: <code>x</code>, <code>y</code>.');
    expect(await differs(['x'], 3)).toContain('Files that differ: <code>x</code> and 2 more.');
    expect(await differs([], 0)).not.toContain('Files that differ');
    const results = [
      { round: 1, ...of(0, 'ada') },
      { round: 1, ...of('trusted', 'own', B) },
    ];
    const compared = await shown(round, { kind: 'compared', results, files: ['z'], count: 2 });
    expect(compared).toContain('Files that differ: <code>z</code> and 1 more.');
    expect(compared).toContain(`quorate diff ${A} ${B}`);
  });

  it('are compared with the one of most, three of them at most', async () => {
    const all = [A, A, ...['p', 'q', 'r', 's'].map((name) => treeCid(name))];
    const results = all.map((result, slot) => of(slot, `o${slot}`, result));
    const text = await shown(round, { kind: 'revealed', round: 1, results });
    expect(text.match(/quorate diff \w+ \w+/g)).toEqual(
      all.slice(2, 5).map((other) => `quorate diff ${A} ${other}`),
    );
    expect(groups(text)).toEqual(['✓ same: 2 operators', ...Array(4).fill('✗ differs: 1 operator')]);
  });

  it('say of the only one that it was built, and of each that failed so', async () => {
    const revealed = (...all: object[]) => shown(round, { kind: 'revealed', round: 1, results: all });
    expect(groups(await revealed(of(0, 'ada')))).toEqual(['built: 1 operator']);
    expect(groups(await revealed(of('trusted', 'own')))).toEqual(['built: the trusted worker']);
    expect(await revealed(of(0, 'ada', 'exit 1'), of(1, 'bob', 'aborted: memory'))).toMatch(
      /✗ failed.*✗ aborted/s,
    );
    expect(await revealed(of(0, 'ada', 'exit 0'))).toContain('1 operator</span> exit 0</th>');
    expect(await revealed(of(0, 'ada'))).toContain(`1 operator</span> <code title="${A}">`);
    const three = await revealed(of(0, 'ada'), of(1, 'bob', B), of(2, 'cy', treeCid('c')));
    expect([count(three, '✓'), count(three, '✗ differs')]).toEqual([0, 3]);
  });

  it('stand in the order in which they were told', async () => {
    const leased = { kind: 'leased', round: 1, worker: 'w' };
    const results = [of(1, 'bob', B), of(0, 'ada', A)];
    const text = await shown(
      round,
      ...[
        { ...leased, slot: 0, operator: 'ada' },
        { ...leased, slot: 1, operator: 'bob' },
      ],
      { kind: 'revealed', round: 1, results },
    );
    expect(text).toContain(`quorate diff ${B} ${A}`);
  });

  it('stand with the round they were of, also where they are compared later; those of the trusted worker with the last', async () => {
    const results = [
      ...[
        { round: 1, ...of(0, 'ada') },
        { round: 2, ...of(0, 'bob', B) },
      ],
      { round: 1, ...of('trusted', 'own') },
    ];
    const text = await shown(
      round,
      { ...round, round: 2 },
      { kind: 'compared', results, files: [], count: 0 },
    );
    const [later = '', before = ''] = text.split('Round 1:');
    expect([rows(later), rows(before)]).toEqual([['bob', 'own (trusted worker)'], ['ada']]);
  });

  it('are lost with their worker, and not with a receipt that is told again', async () => {
    const revealed = { kind: 'revealed', round: 1, results: [of(0, 'ada')] };
    const build = { round: 1, slot: 0, operator: 'ada', worker: 'w' };
    expect(await shown(round, revealed, { kind: 'lost', ...build })).toContain('colspan="4">lost <');
    expect(groups(await shown(round, revealed, { kind: 'delivered', ...build }))).toEqual([
      'built: 1 operator',
    ]);
  });

  it('are none before a round, and of no build that goes on', async () => {
    expect(await shown()).toContain('No round has been opened.');
    expect(await shown(round)).toContain('No operator has taken a slot.');
    const taken = await shown(round, { kind: 'leased', round: 1, slot: 0, operator: 'ada', worker: '' });
    expect(taken).not.toMatch(/<code>…|No operator has taken a slot/);
    expect(groups(taken)).toEqual(['not finished, ended with it: 1 operator']);
  });

  it('have the time that each build took, or since when it runs, and lead to its log', async () => {
    const build = { round: 1, slot: 0, operator: 'ada', worker: 'w' };
    const told = (...all: [at: number, progress: object][]) =>
      all.map(([at, progress]) => ({ at, progress })) as never;
    const open = { state: 'building', over: false } as never;
    const url = (of: { slot: string; worker: string }) => `/logs/${of.slot}/${of.worker}`;
    const begun: [number, object][] = [
      [0, round],
      [1000, { kind: 'leased', ...build }],
    ];
    const runs = await textOf(agreement(told(...begun), open, url));
    expect(runs).toContain('<td>since <time datetime="1970-01-01T00:00:01.000Z"');
    expect(runs).toContain('<a href="/logs/0/w" aria-label="Log of ada">log</a>');
    const sealed: [number, object][] = [...begun, [4500, { kind: 'delivered', ...build }]];
    expect(await textOf(agreement(told(...sealed), open))).toContain('<td>3.5 s</td>');
    const results = [{ ...of(0, 'ada'), worker: 'w' }];
    const revealed = await textOf(
      agreement(told(...sealed, [9000, { kind: 'revealed', round: 1, results }]), open),
    );
    expect([revealed.includes('<td>3.5 s</td>'), revealed.includes('>log<')]).toEqual([true, false]);
    // Another worker took the slot after the first was lost.
    const again = { ...build, worker: 'x' };
    const lost: [number, object][] = [...begun, [2000, { kind: 'lost', ...build, reason: 'r' }]];
    const later = await textOf(
      agreement(
        told(...lost, [3000, { kind: 'leased', ...again }], [5000, { kind: 'delivered', ...again }]),
        open,
      ),
    );
    expect(later).toContain('<td>2.0 s</td>');
  });

  it('stay revealed where the receipt is told again, and rounds before stay below', async () => {
    const again = { kind: 'delivered', round: 1, slot: 0, operator: 'ada', worker: 'w' };
    const text = await shown(round, { kind: 'revealed', round: 1, results: [of(0, 'ada')] }, again, {
      ...round,
      round: 2,
    });
    expect(text).toContain('built');
    expect([...text.matchAll(/Round (\d):/g)].map(([, n]) => n)).toEqual(['2', '1']);
    expect(count(text, '<details open>')).toBe(1);
  });

  it('of the trusted worker stand with the round that goes on, unless it is lost', async () => {
    const trusted = { round: 1, slot: 'trusted', operator: 'own', worker: 'w' };
    const second = { ...round, round: 2 };
    const moved = await shown(round, { kind: 'delivered', ...trusted }, second);
    const [later = '', before = ''] = moved.split('Round 1:');
    expect([rows(later), rows(before)]).toEqual([['own (trusted worker)'], []]);
    const lost = await shown(round, { kind: 'lost', ...trusted, reason: 'x' }, second);
    expect(rows(lost.split('Round 1:')[0] ?? '')).toEqual([]);
  });

  it.each([
    ['trusted', {}, 1],
    ['failed', {}, 1],
    ['agreed', {}, 0],
    ['trusted', { cosigned: false }, 0],
  ])('are signed with a verdict %s %j: %d', async (level, more, signed) => {
    const results = [of(0, 'ada'), of('trusted', 'own')];
    const verdict = { kind: 'verdict', level, ...more };
    const text = await shown(round, { kind: 'revealed', round: 1, results }, verdict);
    expect(count(text, ', signed')).toBe(signed);
    // Of a controller of before, that tells no result of the trusted worker.
    const leased = { kind: 'leased', round: 1, slot: 'trusted', operator: 'own', worker: 'w' };
    const older = await shown(
      round,
      leased,
      { kind: 'revealed', round: 1, results: [of(0, 'ada')] },
      verdict,
    );
    expect(count(older, ', signed')).toBe(signed);
    expect(
      count(await shown(round, { kind: 'revealed', round: 1, results: [of(0, 'ada')] }, verdict), ', signed'),
    ).toBe(0);
    const nothing = await shown(round, leased, verdict);
    expect([count(nothing, ', signed'), groups(nothing)]).toEqual([
      0,
      ['not finished, ended with it: the trusted worker'],
    ]);
  });
});

describe('the page of a log', () => {
  const build: LogSource = {
    lease: 'l'.repeat(64),
    worker: 'worker-abcdef',
    operator: 'ada',
    slot: '1',
    delivered: false,
  };
  const run = { id: 'r', name: 'app' };
  const url = `/runs/r/logs/${build.lease}`;
  const shown = (from: number, to: number, of: number, running = false) => {
    withLimits(pageLimits, { logLinesMax: 10 });
    return textOf(
      logBody(
        run,
        build,
        { from, to, count: of },
        { steps: [], cut: undefined, times: new Map(), timesBy: 'worker', follows: running },
      ),
    );
  };
  const links = (text: string) =>
    [...text.matchAll(/href="([^"]*)">(First|Before|After|Last)</g)].map(
      ([, to, name]) => `${name} ${to?.slice(url.length)}`,
    );

  it.each([
    [1, 0, 0, []],
    [1, 10, 10, []],
    [1, 10, 11, ['After ?line=11', 'Last ?line=11']],
    [11, 20, 30, ['First ', 'Before ?line=1', 'After ?line=21', 'Last ?line=21']],
    [21, 30, 31, ['First ', 'Before ?line=11', 'After ?line=31', 'Last ?line=31']],
    [31, 31, 31, ['First ', 'Before ?line=21']],
  ])('of the lines %d to %d of %d leads to %j', async (from, to, of, wanted) => {
    const text = await shown(from, to, of);
    expect(links(text)).toEqual(wanted);
    expect(text).toContain(of === 0 ? 'Nothing was written yet.' : `Lines ${from} to ${to} of ${of}`);
    expect(text).not.toMatch(/data-events|id="follow"/);
  });

  it('of one that runs goes on after its last line', async () => {
    const text = await shown(1, 7, 7, true);
    expect(text).toContain(`data-events="${url}/events" data-next="8"`);
    expect(text).toContain('id="follow"');
    // Times of lines that come are shown, also where none is there yet.
    expect(text).toContain('<div class="log timed"');
    expect(text).toContain('slot 2, worker <code>…abcdef</code>');
    expect(
      await textOf(
        logBody(
          run,
          { ...build, slot: 'trusted' },
          { from: 1, to: 1, count: 1 },
          { steps: [], cut: undefined, times: new Map(), timesBy: 'worker', follows: false },
        ),
      ),
    ).toContain('trusted worker, worker');
  });

  it('that is searched says how many lines were found, and leads on', async () => {
    const line = { text: 'x', line: 1 };
    const found = (lines: (typeof line)[], next?: number) =>
      textOf(foundBody(run, build, 'a b', { found: lines, next, lines: lines.map(() => '<i>') }));
    expect(await found([])).toContain('Not found.');
    expect(await found([line, line])).toContain('<span>2 lines</span>');
    const more = await found([line], 7);
    expect(more).toContain('<span>1 line so far</span>');
    expect(more).toContain(`href="${url}?q=a+b&amp;from=7" rel="next"`);
  });
});

it('files of an artifact are links, folders are left out, and there may be more', async () => {
  const file = { path: 'a b', kind: 'file', size: 2048, executable: true, cid: A };
  const files = [
    file,
    { ...file, path: 'plain', executable: false, size: 1 },
    { ...file, kind: 'dir' },
    { ...file, kind: 'link', path: 'l', target: 'a b' },
  ] as never;
  const text = await textOf(fileTable('tree', { files, more: false }, false));
  expect(count(text, '<tr>')).toBe(4);
  expect([count(text, '>executable<'), count(text, 'file?path='), text.includes('l → a b')]).toEqual([
    1,
    2,
    true,
  ]);
  expect([text.includes('2 KiB'), text.includes('SBOM'), text.includes('There are more')]).toEqual([
    true,
    false,
    false,
  ]);
  const more = await textOf(fileTable('tree', { files, more: true }, true));
  expect([more.includes('/trees/tree.cdx.json'), more.includes('There are more')]).toEqual([true, true]);
});

it.each([
  ['https://git.example/app.git', true],
  ['http://x', true],
  ['javascript:alert(1)', false],
  ['https://', false],
  ['https://a b', false],
  ['ssh://git.example', false],
])('the address %s is a link: %s', async (url, isLink) => {
  expect((await textOf(webLink(url))).includes('<a ')).toBe(isLink);
});

it.each([
  ['e\u0301'.repeat(9), 'e\u0301'.repeat(9)],
  [`e${'\u0301'.repeat(6)}x`, `e${'\u0301'.repeat(6)}x`],
  [`e${'\u0301\u0323'.repeat(90)}x`, `e${'\u0301\u0323'.repeat(3)}…x`],
])('%j stands on no other line', (text, shown) => expect(foreign(text)).toBe(shown));

it('a page has a title, links of which one is its own, and what its body needs', async () => {
  const nav = [
    { href: '/', text: 'A', current: true },
    { href: '/b', text: 'B' },
  ];
  const text = await textOf(
    page({ title: 't', project: 'demo', nav, live: '/e', wide: true, body: html`<p>` }),
  );
  expect(text).toContain('<a href="/" aria-current="page">A</a><a href="/b">B</a>');
  expect(text).toContain('<main id="main" class="wide" tabindex="-1"><p>');
  expect([text.includes('<title>t · demo<'), text.includes('<body data-live="/e">')]).toEqual([true, true]);
  const plain = await textOf(page({ title: 't', body: html`` }));
  expect(plain).toContain('<main id="main" class="" tabindex');
  expect([plain.includes('<title>t · Quorate<'), plain.includes('<body>')]).toEqual([true, true]);
  const refusal = { code: 'HTTP_NOT_FOUND', message: 'm', headers: {} } as const;
  expect(errorPage({ ...refusal, status: 404 })).toContain('<h1>Nothing is here</h1>');
  expect(errorPage({ ...refusal, status: 500 })).toContain('<h1>That did not work</h1>');
  expect(errorPage({ ...refusal, status: 404 })).toContain('<p><a href="/">To the project</a></p>');
  expect(errorPageWith(undefined)({ ...refusal, status: 404 })).not.toMatch(/<p><a /);
});
