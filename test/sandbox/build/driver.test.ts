import { expect, it } from 'vitest';
import { coveringPaths, parseStatus } from '../../../sandbox/build/driver.ts';

it('keeps the outermost of nested outputs, sorted and once', () => {
  expect(coveringPaths(['b', 'a/b', 'a', 'ab', 'b/', 'a/b/c'])).toEqual(['a', 'ab', 'b']);
  expect(coveringPaths(['x', '.'])).toEqual(['.']);
  expect(coveringPaths([])).toEqual([]);
});

it('takes from the driver only what it can mean', () => {
  expect(parseStatus('exit 3')).toEqual({ kind: 'exit', code: 3 });
  expect(parseStatus('complete')).toEqual({ kind: 'complete' });
  for (const line of ['', 'exit', 'exit x', 'exit 0x1', 'exit 256', 'exit 1000', 'exited 0', 'exit 0 0']) {
    expect(parseStatus(line)).toBeUndefined();
  }
});
