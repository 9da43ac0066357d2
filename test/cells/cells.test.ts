import { expect, it } from 'vitest';
import { type Cell, count, isGood, type Said, table, wholeFile } from './cells.ts';

const [file, other] = ['test/a.test.ts', 'test/b.test.ts'];
const cell = { arch: 'amd64', account: 'root' } as const;
const contract: Cell = { ...cell, name: 'contract', files: [file] };
const limits: Cell = { ...cell, name: 'limits', files: [file, other], only: / limits / };
const said = (test: string, state: string, path = file): Said => ({
  account: 'root',
  file: path,
  test,
  state,
  seconds: 1,
});

it('a test counts in the cell that names it, else in the one that takes all others of its file', () => {
  const told = [
    said('tier > limits > memory', 'passed'),
    said('tier > a build > runs', 'passed'),
    said('tier > a build > ends', 'failed'),
    said('elsewhere', 'passed', other),
    said(wholeFile, 'failed', other),
    { account: 'root', ended: 1 },
  ];
  const rows = count([contract, limits], told);
  expect(rows).toMatchObject([
    { passed: 1, failed: 1, seconds: 2 },
    { passed: 1, failed: 1 },
  ]);
  expect(rows.map(isGood)).toEqual([false, false]);
});

it('a cell passes when tests passed, none failed, and those of its account came to their end', () => {
  const row = (told: Said[]) =>
    count([contract], told).map((one) => [isGood(one), table([one]).split('\n')[2]]);
  const ended = { account: 'root', ended: 0 };
  const line = (...columns: unknown[]) => `| ${['contract', ...columns].join(' | ')} |`;
  expect(row([said('runs', 'passed'), said('waits', 'skipped'), ended])).toEqual([
    [true, line(1, 0, 1, 2, 'pass')],
  ]);
  expect(row([said('runs', 'passed'), { ...ended, account: 'user' }])).toEqual([
    [false, line(1, 0, 0, 1, 'not finished')],
  ]);
  expect(row([ended])).toEqual([[false, line(0, 0, 0, 0, 'fail')]]);
});
