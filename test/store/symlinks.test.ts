import { describe, expect, it } from 'vitest';
import { Symlinks } from '../../src/store/symlinks.ts';

function check(links: Record<string, string>): string {
  const all = new Symlinks();
  for (const [path, target] of Object.entries(links)) all.add(path, target);
  try {
    all.check();
    return 'stays';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('links of a tree', () => {
  it.each<[Record<string, string>, string]>([
    [{ a: 'b' }, 'stays'],
    [{ 'a/b': '..' }, 'stays'],
    [{ 'a/b': '../..' }, 'STORE_LINK_ESCAPES'],
    [{ a: './x/../..' }, 'STORE_LINK_ESCAPES'],
    [{ a: 'x//../..' }, 'STORE_LINK_ESCAPES'],
    [{ a: '.', b: 'a/..' }, 'STORE_LINK_ESCAPES'],
    [{ 'd/up': '..', c: 'd/up/..' }, 'STORE_LINK_ESCAPES'],
    [{ 'd/up': '..', c: 'd/up/d/up' }, 'stays'],
    [{ a: 'a' }, 'stays'],
    [{ a: 'b/x', b: 'a/y' }, 'stays'],
    [{ __proto__: 'x', 'constructor/a': '../b' }, 'stays'],
  ])('%j: %s', (links, outcome) => expect(check(links)).toBe(outcome));

  it('may be of thousands of steps each, and are soon gone through', () => {
    const target = `${'a/'.repeat(1900)}a`;
    const links = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`m${n}`, `l/${target}`]));
    const before = process.threadCpuUsage().user;
    expect(check({ l: target, ...links })).toBe('stays');
    expect(process.threadCpuUsage().user - before).toBeLessThan(2_000_000);
  });
});
