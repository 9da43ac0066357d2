import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { differingFilesText } from '../../../src/client/commands/progress.ts';
import { groupsOf, sayDispute, workerDifferences } from '../../../src/client/commands/run-comparison.ts';
import { pairTexts, sideBySide } from '../../../src/client/commands/side-by-side.ts';
import type { ComparedResult } from '../../../src/protocol/wire/progress.ts';
import type { Context } from '../../../src/terminal/context.ts';
import { Output, type Sink } from '../../../src/terminal/output.ts';

const alike = (count: number) => Array.from({ length: count }, (_, n) => `line ${n}`);

describe('two logs side by side', () => {
  const a = [...alike(10), 'seed 1', 'extra', 'end'];
  const b = [...alike(10), 'seed 2', 'end'];

  it('shows what differs with a little of what is alike around it', () => {
    expect(sideBySide(pairTexts(a, b), 60)).toEqual([
      '… 8 lines alike',
      `${'line 8'.padEnd(28)} │ line 8`,
      `${'line 9'.padEnd(28)} │ line 9`,
      `${'seed 1'.padEnd(28)} ≠ seed 2`,
      `${'extra'.padEnd(28)} <`,
      `${'end'.padEnd(28)} │ end`,
    ]);
  });

  it('puts lines below each other where there is no room, and cuts them', () => {
    expect(sideBySide(pairTexts(['x', 'one'], ['x', 'two and more']), 9)).toEqual([
      '  x',
      'a one',
      'b two an…',
    ]);
  });

  it('is bounded, whatever the logs are', () => {
    const noise = (salt: string) => Array.from({ length: 5000 }, (_, n) => `${salt} ${n}`);
    const rows = sideBySide(pairTexts(noise('a'), noise('b')), 80);
    expect(rows).toHaveLength(121);
    expect(rows.at(-1)).toBe('… and more: quorate logs prints all of it');
  });

  it('has no row for logs that are alike', () => {
    expect(sideBySide(pairTexts(alike(3), alike(3)), 80)).toEqual(['… 3 lines alike']);
  });
});

const build = (operator: string, result: string, over: Partial<ComparedResult> = {}): ComparedResult => ({
  round: 1,
  slot: 0,
  worker: operator,
  operator,
  result,
  log: null,
  tier: 'gvisor',
  kernel: '6.12',
  ...over,
});

describe('results in dispute', () => {
  it('name the files that differ, whatever these are called', () => {
    const text = differingFilesText(['bin/app', 'a\u001b]0;title\u0007\u202e\nok'], 5);
    expect(text).toBe('Files that differ: bin/app, a\\x1b]0;title\\x07\\u202e\\x0aok and 3 more');
  });

  it('are grouped, those of most builds first; a failed test by what it put out too', () => {
    const groups = groupsOf([
      build('ada', 'exit 1', { reports: 'bafya' }),
      build('ben', 'exit 1', { reports: 'bafyb' }),
      build('cyd', 'exit 1', { reports: 'bafyb' }),
      build('dan', 'bafyc'),
    ]);
    expect(groups.map(({ tree, builds }) => [tree, builds.map(({ operator }) => operator)])).toEqual([
      ['bafyb', ['ben', 'cyd']],
      ['bafya', ['ada']],
      ['bafyc', ['dan']],
    ]);
  });

  it('are told with what differed between the workers', () => {
    const groups = groupsOf([
      build('ada', 'bafya', { kernel: '6.1', processor: 'x' }),
      build('ben', 'bafya', { kernel: '6.1', processor: 'y' }),
      build('cyd', 'bafyb', { kernel: '6.12', processor: 'x' }),
    ]);
    expect(workerDifferences(groups)).toEqual([
      'kernel: another for each result',
      'processor: differs, also among those who agree',
    ]);
    expect(workerDifferences(groupsOf([build('ada', 'a'), build('ben', 'b')]))).toEqual([]);
    const silent = groupsOf([build('ada', 'a'), build('ben', 'b', { processor: 'not said' })]);
    expect(workerDifferences(silent)).toEqual(['processor: another for each result']);
  });

  /** The lines that `quorate diff <run>` prints of builds, with the log of each operator. */
  async function said(
    results: ComparedResult[],
    logs: Record<string, string | readonly string[]>,
    json = false,
  ): Promise<string> {
    let text = '';
    const sink = () =>
      new Writable({
        write(chunk, _, done) {
          text += chunk;
          done();
        },
      }) as Sink;
    const out = new Output(sink(), sink(), { json, colour: false });
    const client = {
      async *logs() {
        for (const { worker, slot, operator } of results)
          for (const text of [logs[operator] ?? ''].flat()) yield { worker, slot, operator, round: 1, text };
      },
    } as unknown as Parameters<typeof sayDispute>[1];
    const context = { out, signal: new AbortController().signal } as Context;
    const compared = { kind: 'compared' as const, results, files: [], count: 0 };
    await sayDispute(context, client, 'ab', compared, { diffoscope: false, tier: 'gvisor' });
    return text;
  }

  const results = [build('ada', 'exit 1'), build('ben', 'exit 2', { slot: 1 })];

  it('have logs that are alike only where all of each is: also lines before those that are shown, and ends of long lines', async () => {
    const end = 'same\n'.repeat(1000);
    const long = 'x'.repeat(100_000);
    expect(await said(results, { ada: end, ben: end })).toContain('The logs of a and b are alike.');
    for (const [ada, ben] of [
      [`fetched evil\n${end}`, `fetched good\n${end}`],
      [`${long}evil\n`, `${long}good\n`],
    ] as const) {
      const told = await said(results, { ada, ben });
      expect(told).not.toContain('alike');
      expect(told).toContain('The logs of a and b differ, but not at their ends, which are compared here');
      expect(await said(results, { ada, ben }, true)).toContain('"differs":true');
    }
  });

  it('have logs that are alike or not, wherever they are cut into pieces', async () => {
    const end = 'same\n'.repeat(1000);
    const cut = (char: string) => [char.slice(0, 1), `${char.slice(1)}\n${end}`];
    const told = await said(results, { ada: cut('\u{1f600}'), ben: cut('\u{1f601}') });
    expect(told).not.toContain('alike');
    expect(await said(results, { ada: cut('\u{1f600}'), ben: `\u{1f600}\n${end}` })).toContain('alike');
  });

  it('may be of one tree, of which somebody lists other hashes', async () => {
    const told = await said([build('ada', 'bafya'), build('ben', 'bafya', { slot: 1 })], {});
    expect(told).toContain('The same tree, with other files or hashes listed, as the controller tells:');
    expect(told).not.toContain('Results that differ');
  });
});
