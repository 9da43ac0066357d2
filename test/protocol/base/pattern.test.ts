import fc from 'fast-check';
import { expect, it } from 'vitest';
import { globFault, globMatches } from '../../../src/protocol/base/pattern.ts';

it.each([
  ['main', 'main', true],
  ['main', 'maintenance', false],
  ['main', 'x/main', false],
  ['release/*', 'release/1.2', true],
  ['release/*', 'release/1/2', false],
  ['release/*', 'release/', true],
  ['src/**', 'src/a/b.c', true],
  ['src/**', 'src', false],
  ['src/**', 'lib/src/a', false],
  ['**', 'a/b', true],
  ['**/*.c', 'a.c', true],
  ['**/*.c', 'a/b/x.c', true],
  ['**/*.c', 'a/b/x.cc', false],
  ['**/x', 'ax', false],
  ['a/**/x', 'a/x', true],
  ['a/**/x', 'a/b/c/x', true],
  ['a/**/x', 'a/bx', false],
  ['a**x', 'a/b/x', true],
  ['v?', 'v1', true],
  ['v?', 'v/', false],
  ['v?', 'v', false],
  ['?', '🙂', true],
  ['a.c', 'abc', false],
])('%s and %s: %s', (pattern, text, matches) => expect(globMatches(pattern, text)).toBe(matches));

it('matches what a regular expression of the same meaning matches', () => {
  const part = fc.constantFrom('a', 'b', '/', '*', '**', '?', '.', '**/');
  const pattern = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));
  const text = fc.array(fc.constantFrom('a', 'b', '/', '.'), { maxLength: 8 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(pattern, text, (glob, path) => {
      const regex = glob.replace(/(?<=^|\/)\*\*\/|\*\*+|[*?.]/g, (found) => {
        if (found === '**/') return '(?:.*/)?';
        if (found.startsWith('**')) return '.*';
        return { '*': '[^/]*', '?': '[^/]', '.': '\\.' }[found] ?? '';
      });
      expect(globMatches(glob, path)).toBe(new RegExp(`^(?:${regex})$`).test(path));
    }),
    { numRuns: 3000 },
  );
});

it('takes time in proportion to pattern and text, however many wildcards there are', () => {
  const before = process.threadCpuUsage().user;
  expect(globMatches('*a'.repeat(90), 'a'.repeat(4000))).toBe(true);
  expect(globMatches(`${'**a'.repeat(60)}b`, 'a'.repeat(4000))).toBe(false);
  expect(process.threadCpuUsage().user - before).toBeLessThan(2_000_000);
});

it('refuses what other tools would read otherwise', () => {
  for (const pattern of ['!a', 'a[b]', '{a,b}', 'a\\*', '/a', './a'])
    expect(globFault(pattern), pattern).toBeDefined();
  for (const pattern of ['a', '.github/**', '*.c', 'v1.?'])
    expect(globFault(pattern), pattern).toBeUndefined();
});
