import { describe, expect, it } from 'vitest';
import { gridOf, groupsOf } from '../../../src/controller/page/axes.ts';
import { matricesOf } from '../../../src/controller/page/jobs.ts';

const jobs = (...names: string[]) =>
  names.map((name) => ({ name, run: name, state: 'done', level: 'trusted' as const }));
const combined = (template: string, ...axes: string[][]) =>
  jobs(
    ...axes.reduce(
      (made, axis) => made.flatMap((name) => axis.map((value) => `${name}.${value}`)),
      [template],
    ),
  );
const shown = (names: ReturnType<typeof jobs>) => {
  const [group] = groupsOf(names);
  const grid = group && gridOf(group);
  return grid && { columns: grid.columns, rows: grid.rows.map(({ name }) => name) };
};

describe('a matrix', () => {
  it('is four jobs or more that a job of the file became', () => {
    const all = [
      ...jobs('lib'),
      ...combined('test', ['a', 'b'], ['1', '2']),
      ...jobs('doc.a', 'doc.b', 'doc.c'),
    ];
    expect(groupsOf(all).map(({ name, jobs: of, isMatrix }) => [name, of.length, isMatrix])).toEqual([
      ['lib', 1, false],
      ['test', 4, true],
      ['doc.a', 1, false],
      ['doc.b', 1, false],
      ['doc.c', 1, false],
    ]);
  });

  it('is a grid by its axes, the longest that has room across', () => {
    expect(shown(combined('test', ['gcc', 'clang'], ['1', '2', '3']))).toEqual({
      columns: ['1', '2', '3'],
      rows: ['gcc', 'clang'],
    });
    const systems = ['debian', 'alpine', 'fedora', 'arch'];
    const large = shown(combined('test', systems, ['20', '22', '24', '26'], ['fast', 'slow', 'odd']));
    expect(large?.columns).toEqual(['20', '22', '24', '26']);
    expect([large?.rows.length, large?.rows.slice(0, 3)]).toEqual([
      12,
      ['debian · fast', 'debian · slow', 'debian · odd'],
    ]);
    const many = Array.from({ length: 9 }, (_, n) => String(n));
    expect(shown(combined('test', many, ['a', 'b']))?.columns).toEqual(['a', 'b']);
  });

  it('has values with dots where they make it full', () => {
    expect(shown(combined('test', ['3.9', '3.10', '4.1'], ['linux', 'mac']))).toEqual({
      columns: ['3.9', '3.10', '4.1'],
      rows: ['linux', 'mac'],
    });
    // Versions of other lengths are told apart by none.
    expect(shown(combined('test', ['3', '3.10'], ['linux', 'mac']))).toBeUndefined();
    expect(shown(combined('test', ['a', 'b', 'c', 'd']))).toBeUndefined();
    // Of eight parts not every way is tried; of sixty there are 2 ** 59.
    expect(shown(combined('test', ['1.2.3.4.5.6.7', '2.3.4.5.6.7.8'], ['linux', 'mac']))).toBeUndefined();
    expect(shown(combined('test', ['1.2.3.4.5', '2.3.4.5.6'], ['linux', 'mac']))).toBeDefined();
    expect(shown(combined('test', ['3.9', '3.10', '4.1', '4.2']))).toBeUndefined();
    expect(shown(combined('test', ['a', 'b', 'c', 'd'], ['same']))).toBeUndefined();
    const deep = combined('test', ['a', 'b'], ['1', '2'], ...Array.from({ length: 8 }, () => ['x']));
    expect(shown(deep)).toEqual({ columns: ['1', '2'], rows: ['a', 'b'] });
  });

  it('that is not full has holes', () => {
    const [group] = groupsOf(jobs('test.a.1', 'test.a.2', 'test.b.1', 'test.c.2'));
    const grid = group && gridOf(group);
    const cells = grid?.rows.map((row) => row.cells.map((job) => job?.name ?? '-'));
    // `c` has room across too; of equals the last is.
    expect(grid?.columns).toEqual(['a', 'b', 'c']);
    expect(cells).toEqual([
      ['test.a.1', 'test.b.1', '-'],
      ['test.a.2', '-', 'test.c.2'],
    ]);
  });

  it('is shown with the state of each job, and the run of the page', async () => {
    const text = String(
      await matricesOf([...combined('test', ['a', 'b'], ['1', '2']), ...jobs('lib')], 'test.b.1'),
    );
    expect(text).toContain('<table class="grid">');
    expect(text.match(/class="chip trusted"/g)).toHaveLength(4);
    expect(text).toContain('aria-label="test.b.1, trusted" aria-current="page"></a>');
    const single = String(await matricesOf(combined('test', ['a', 'b', 'c', 'd'])));
    expect([single.includes('<table'), single.includes('>a</a>')]).toEqual([false, true]);
    expect(matricesOf(jobs('lib', 'app'))).toBe('');
  });
});
