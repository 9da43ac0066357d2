import { describe, expect, it } from 'vitest';
import type { Trees } from '../../../src/controller/node/page-parts.ts';
import { testResultsPart } from '../../../src/controller/page/test-results.ts';
import { type ArtifactLevel, artifactAnswer, attachment } from '../../../src/http/answer.ts';
import { refusalOf } from '../../../src/http/errors.ts';
import { errorPage } from '../../../src/http/kit/layout.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { A, Bench, built, deliverAll } from '../machine/bench.ts';
import { markupOf, sessionOf, siteOf } from './support.ts';

/** Each breaks out of a page that forgets to escape it somewhere. */
const hostile = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  'javascript:alert(1)',
  '</title><svg onload=alert(1)>',
  '\u202egnp.exe',
  '&lt;script&gt;',
  '${7*7}{{7*7}}',
];
const elementsKnown = new Set(
  'html head meta title link script body a header div nav span main h1 h2 h3 p section table caption thead tbody tr th td details summary ul ol li dl dt dd code pre time form label input select option button svg g path rect text strong'.split(
    ' ',
  ),
);

function expectHarmless(text: string): void {
  const { elements, attributes, urls } = markupOf(text);
  expect([...elements].filter((name) => !elementsKnown.has(name) && !name.startsWith('!'))).toEqual([]);
  expect([...attributes].filter((name) => /^on|style|srcdoc/i.test(name))).toEqual([]);
  expect(urls.filter((url) => !/^(?:\/(?!\/)|#|\?|https?:\/\/)/.test(url))).toEqual([]);
  // The two scripts of a page are files; neither they nor a style has anything inside.
  expect(text).not.toMatch(/<script(?![^>]*src="\/static\/)[^>]*>|<script[^>]*>[^<]/);
  expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
}

/** A run in which every text that a stranger chooses is hostile. */
async function hostileRun(text: string) {
  const bench = new Bench();
  await bench.start({ recipes: 'outside' });
  await bench.members('trusted', 'ada', 'bob', 'cy');
  bench.present('trusted', 'ada', 'bob', 'cy');
  const run = await bench.submit({
    ref: `refs/heads/${text}`,
    more: { commit: { subject: `subject ${text}`, author: `author ${text}` } },
    recipe: { repo: text, commit: '1'.repeat(40), path: 'a/b.yaml', sha256: '2'.repeat(64) },
    policy: { rounds: 1 },
  });
  const leases = await bench.lease('ada', 'bob', 'cy');
  const died = { kind: 'aborted', reason: 'memory', detail: text } as const;
  await deliverAll(bench, leases, [died, built, built]);
  await bench.revoke({ kind: 'operator', id: 'ada' }, { reason: text });
  const waiting = await bench.submit({ name: 'other', jti: 'f'.repeat(32) });
  await bench.claim('bob', { pass: text });
  bench.send({ kind: 'cancel', token: 'c', which: waiting, by: bench.id('publisher'), reason: text });
  return { bench, runs: [run, waiting], leases, lease: leases.get('cy')?.id ?? '' };
}

describe('text of strangers', () => {
  it.each(hostile)('%j is text wherever it stands', async (text) => {
    const { bench, runs, leases, lease } = await hostileRun(text.replace('\u202e', ''));
    const entry = { path: `${text}/${text}`, kind: 'file', size: 1, executable: true, cid: A } as const;
    const link = { ...entry, kind: 'link', target: text } as const;
    const trees: Trees = {
      isShown: () => true,
      level: () => 'trusted',
      called: () => text,
      isHere: () => true,
      list: async () => ({ files: [entry, link], more: true }),
      entry: async () => entry,
      async *file() {
        yield new Uint8Array(1);
      },
      async *tar() {},
    };
    const { get, write } = await siteOf(bench, {
      trees,
      equivocations: [text],
      name: text,
      session: sessionOf('publisher'),
    });
    await write(lease, `${text}\n\u001b[31m${text}\n`);
    const failed = leases.get('ada')?.id ?? '';
    await write(
      failed,
      `quorate: step 1 of 1: ${text}\n\u001b[31m${text}\nquorate: step 1 of 1 failed: exit 1 (${text})\n`,
    );
    const quoted = encodeURIComponent(text);
    const log = `/runs/${runs[0]}/logs/${lease}`;
    const paths = [
      ...['/', '/runs', `/runs?ref=${quoted}&job=${quoted}`],
      ...runs.map((run) => `/runs/${run}`),
      ...[log, `${log}?q=${quoted}`, `/runs/${runs[0]}/logs/${failed}`],
    ];
    for (const path of paths) {
      const got = await get(path);
      expect([path, got.status]).toEqual([path, 200]);
      expectHarmless(got.text);
      if (path === '/' || path === `/runs/${runs[0]}`) expect(got.text).toMatch(/subject .*author /s);
    }
    const missing = await errorPage(refusalOf(new QuorateError('JOB_UNKNOWN', `no job ${text}`)));
    expectHarmless(String(missing));
  });
});

it.each(hostile)('%j is text in the results of a test', (text) => {
  const failures = [{ suite: text, name: text, says: text }];
  const report = { total: 1, failed: 1, skipped: 0, ms: 0, failures, partial: true };
  const shown = String(testResultsPart(report));
  expectHarmless(shown);
  expect(shown).toContain('Cases that failed');
});

describe('a download', () => {
  it.each<[path: string, name: string, wide?: string]>([
    ['bin/tool', 'tool'],
    ['../../etc/passwd', 'passwd'],
    ['a\\..\\b.exe', 'b.exe'],
    ['.bashrc', '_bashrc'],
    ['..', '_'],
    ['x"; filename="evil.html', 'x___filename__evil.html'],
    ['a\r\nset-cookie: x=1', 'a__set-cookie__x_1'],
    ['\u202egnp.exe', '_gnp.exe'],
    ['', 'file'],
    ['a/', 'file'],
    ['a/Größe 5.txt', 'Gr__e_5.txt', 'Gr%C3%B6%C3%9Fe_5.txt'],
    ['日本', '__', '%E6%97%A5%E6%9C%AC'],
    ['\ud800x', '_x'],
    ['\u{1f600}', '_'],
    ['é'.repeat(5_000), '_'.repeat(100), '%C3%A9'.repeat(100)],
  ])('of %j is saved as %s', (path, name, wide) => {
    const about = { name: path, extension: '', id: A, type: 'application/octet-stream' };
    const body = new Uint8Array(1);
    const saved = (level: ArtifactLevel) =>
      attachment(...(artifactAnswer({ ...about, body, level }).fileName ?? ['', '']));
    const of = (ending: string) =>
      `attachment; filename="${name}${ending}"${wide === undefined ? '' : `; filename*=UTF-8''${wide}${ending}`}`;
    expect([saved('trusted'), saved('revoked')]).toEqual([of(''), of('.revoked')]);
  });
});
