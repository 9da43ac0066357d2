import { expect, it } from 'vitest';
import { belowText, isBelow, leastWorkerOf } from '../../../src/protocol/base/least-version.ts';

it.each([
  ['0.1.9', '0.2.0', true],
  ['0.2.0', '0.2.0', false],
  ['0.10.0', '0.9.9', false],
  ['0.9.9', '0.10.0', true],
  ['1.0.0', '0.99.99', false],
  ['0.99.99', '1.0.0', true],
  ['0.2.1', '0.2.0', false],
  // A version before a release is before it, and a build of it is not.
  ['0.2.0-rc.1', '0.2.0', true],
  ['0.2.1-rc.1', '0.2.0', false],
  ['0.2.0+build', '0.2.0', false],
  ['unknown', '0.0.0', true],
  ['0.2', '0.1.0', true],
  [null, '0.0.0', true],
  [null, undefined, false],
  ['unknown', undefined, false],
])('a worker of %s is below %s: %s', (program, least, below) => {
  expect(isBelow(program === null ? null : { program }, least)).toBe(below);
});

it.each(['0.2', '0.2.0-rc', '01.2.0', ' 0.2.0', '', '1234567.0.0', 2, null, ['0.2.0']])(
  'a charter names no least version with %j',
  (leastWorker) => expect(leastWorkerOf({ more: { leastWorker } })).toBeUndefined(),
);

it('a worker is told how it is below', () => {
  expect(belowText({ program: '0.1.0' }, '0.2.0')).toBe(
    'the project takes workers of version 0.2.0 or later, and this one is 0.1.0',
  );
  expect(belowText(null, '0.2.0')).toMatch(/this one is of none$/);
  expect(belowText({ program: '0.2.0' }, '0.2.0')).toBeUndefined();
});
