import { expect, it } from 'vitest';
import { gapNote, ShownLogs } from '../../src/member/following.ts';

it('a log that is told again is shown on from where it was', () => {
  const logs = new ShownLogs();
  expect(logs.fresh('a', 'one two')).toBe('one two');
  logs.restart();
  expect(logs.fresh('a', 'one')).toBe('');
  expect(logs.fresh('a', ' two')).toBe('');
  expect(logs.fresh('a', ' three')).toBe(' three');
  expect(logs.fresh('b', 'other')).toBe('other');
  logs.restart();
  expect(logs.fresh('a', 'one two three four')).toBe(' four');
  expect(logs.fresh('a', ' five')).toBe(' five');
});

it('a long log is compared by its beginning', () => {
  const logs = new ShownLogs();
  const long = 'x'.repeat(1_000);
  expect(logs.fresh('a', long)).toBe(long);
  logs.restart();
  expect(logs.fresh('a', 'x'.repeat(255))).toBe('');
  expect(logs.fresh('a', 'x'.repeat(1))).toBe('');
  expect(logs.fresh('a', `${'x'.repeat(744)}end`)).toBe('end');
});

it('a log that begins otherwise is shown with a note', () => {
  const logs = new ShownLogs();
  logs.fresh('a', 'one two');
  logs.restart();
  expect(logs.fresh('a', 'two')).toBe(`${gapNote}two`);
  expect(logs.fresh('a', ' three')).toBe(' three');
});
