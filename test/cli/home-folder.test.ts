import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { homeFolder } from '../../src/cli/program.ts';

it('is the one that was given, or one in the home of the user', () => {
  expect(homeFolder(undefined, tmpdir())).toBe(join(tmpdir(), '.quorate'));
  expect(homeFolder(join(tmpdir(), 'not', 'there'), '')).toBe(join(tmpdir(), 'not', 'there'));
});

it.each([
  ['no home', undefined, ''],
  ['a relative one', undefined, 'home'],
  ['a home in which no folder can be made', undefined, '/proc'],
  ['a home that is not there', undefined, join(tmpdir(), 'not', 'there')],
  ['such a folder given', '/proc/self/quorate', '/root'],
])('%s is refused', (_, given, home) => {
  expect(() => homeFolder(given, home)).toThrow(expect.objectContaining({ code: 'CLI_USAGE' }));
});
