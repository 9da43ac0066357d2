import { describe, expect, it } from 'vitest';
import { differingFilesText } from '../../../src/client/commands/progress.ts';
import { groupsOf, workerDifferences } from '../../../src/client/commands/run-comparison.ts';
import { pairTexts, sideBySide } from '../../../src/client/commands/side-by-side.ts';
import type { ComparedResult } from '../../../src/protocol/wire/progress.ts';

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
  ...{ round: 1, slot: 0, worker: operator, operator, result, log: null, tier: 'gvisor', kernel: '6.12' },
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
  });
});
