import fc from 'fast-check';
import { expect, it } from 'vitest';
import { globFault, globMatches, refMatches, settingFault } from '../../../src/protocol/base/pattern.ts';

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
  ['release/.x', 'release/.x', true],
  ['release/*', 'release/.x', true],
  ['release**', 'release/1', true],
  ['release/**', 'release', false],
  ['(a|b)+@1', '(a|b)+@1', true],
])('%s and %s: %s', (pattern, text, matches) => expect(globMatches(pattern, text)).toBe(matches));

it.each([
  ['main', 'refs/heads/main', true],
  ['main', 'refs/tags/main', true],
  ['refs/heads/main', 'refs/heads/main2', false],
  ['refs/heads/main', 'refs/tags/main', false],
  ['release/*', 'refs/heads/release/1', true],
  ['*', 'refs/heads/feature/x', false],
  ['**', 'refs/heads/feature/x', true],
  ['**', 'refs/pull/7/head', false],
  ['refs/**', 'refs/pull/7/head', true],
  ['refs/tags/v*', 'refs/tags/v1/x', false],
  ['**', '4f2c0d6a1b9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a', false],
])('the pattern %s and the ref %s: %s', (pattern, ref, matches) =>
  expect(refMatches(pattern, ref)).toBe(matches),
);

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
  expect(globFault('/a')).toBe('a pattern begins with a name, not with "/" or "./"');
  // Signed patterns may have them: they are names.
  for (const pattern of ['@(a|b)', 'a|b', '+(a)', '*(a)'])
    expect([globFault(pattern), settingFault(pattern)]).toEqual([undefined, expect.any(String)]);
  expect(settingFault('app/(group)/**')).toBeUndefined();
});
