import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { houseFiles } from '../tidy/house/source.ts';
import { Copy, commitOf, filesAt } from './copy.ts';
import { coveredOf, covers, namedIn, type Recorded } from './coverage.ts';
import { draw } from './draw.ts';
import { changeOf, equivalents } from './equivalent.ts';
import { type Kind, kinds, type Mutation, mutated, mutationsOf } from './operators.ts';
import { closures, planFor } from './plan.ts';
import { report } from './report.ts';
import { lint } from './trial.ts';

const changed = (text: string, path = 'src/a/x.ts') =>
  mutationsOf({ path, text }).map((one) => [one.kind, mutated(text, one)]);

it.each<[string, [Kind, string][]]>([
  [
    'if (a) b();',
    [
      ['negated condition', 'if (!(a)) b();'],
      ['removed statement', 'if (a) ;'],
    ],
  ],
  [
    'x = a ? b : c;',
    [
      ['removed statement', ';'],
      ['negated condition', 'x = !(a) ? b : c;'],
    ],
  ],
  [
    'if (a) throw b;',
    [
      ['negated condition', 'if (!(a)) throw b;'],
      ['removed throw', 'if (a) ;'],
    ],
  ],
  [
    'function f() { if (a) { b(); return; } }',
    [
      ['dropped check', 'function f() { ; }'],
      ['negated condition', 'function f() { if (!(a)) { b(); return; } }'],
      ['removed statement', 'function f() { if (a) { ; return; } }'],
    ],
  ],
  [
    'if (a) c(); else b();',
    [
      ['negated condition', 'if (!(a)) c(); else b();'],
      ['removed statement', 'if (a) ; else b();'],
      ['removed statement', 'if (a) c(); else ;'],
    ],
  ],
  ['function f() { checkIt(a); }', [['dropped check', 'function f() { ; }']]],
  ['assert(a < b, "between constants");', []],
  ['function f() { assert(a, "b"); }', [['dropped check', 'function f() { ; }']]],
  ['const b = (await c).d;', [['removed await', 'const b = ( c).d;']]],
  [
    'export {}; await (c);',
    [
      ['removed statement', 'export {}; ;'],
      ['removed await', 'export {};  (c);'],
    ],
  ],
  ['const b = (a) < c;', [['off by one', 'const b = (a) <= c;']]],
  ['const b = (a + d) - 1;', [['off by one', 'const b = (a + d);']]],
  ['const b = a && (c);', [['dropped check', 'const b = (a);']]],
  ['const b = a || c;', [['dropped check', 'const b = (a);']]],
  ['const b: Set<1> = a as X<Y>;', []],
  ['type A = B extends C ? D : E;', []],
  ['const waitMs = 5 * 60;', [['limit x 1000', 'const waitMs = (5 * 60) * 1_000;']]],
  ['const waitMsMax = 5n;', [['limit x 1000', 'const waitMsMax = (5n) * 1000n;']]],
  ['const other = 5;', []],
  ['function f() { const waitMs = 5; }', []],
  ['class A extends B { constructor() { super(); } }', []],
])('%s', (text, expected) => {
  expect(changed(text)).toEqual(expected);
});

it('multiplies each number of a table of limits, whatever its name', () => {
  const text = 'export const xLimits = { tries: 3, b: { dial: 4 } } as const;';
  const found = changed(text, 'src/a/limits.ts').map(([, to]) => to);
  expect(found).toEqual([
    'export const xLimits = { tries: (3) * 1_000, b: { dial: 4 } } as const;',
    'export const xLimits = { tries: 3, b: { dial: (4) * 1_000 } } as const;',
  ]);
});

const mutation = (over: Partial<Mutation>): Mutation => ({
  path: 'src/a/x.ts',
  line: 1,
  kind: 'removed await',
  start: 10,
  end: 15,
  text: 'await',
  with: '',
  ...over,
});

it('draws the same for the same seed, each once, and lets the kinds take turns', () => {
  const many = Array.from({ length: 200 }, (_, start) => mutation({ start, kind: 'negated condition' }));
  const few = kinds.slice(1).map((kind, start) => mutation({ start, kind }));
  const drawn = draw('0123abcd', 'src/a', [...many, ...few], 15);
  expect(new Set(drawn).size).toBe(15);
  expect(new Set(drawn.map(({ kind }) => kind))).toEqual(new Set(kinds));
  expect(draw('0123abcd', 'src/a', [...many, ...few], 15)).toEqual(drawn);
  expect(draw('0123abce', 'src/a', [...many, ...few], 15)).not.toEqual(drawn);
  expect(draw('0123abcd', 'src/b', [...many, ...few], 15)).not.toEqual(drawn);
  expect(draw('0123abcd', 'src/a', few, 15)).toHaveLength(few.length);
});

it('takes the innermost range for what was executed', () => {
  const range = (startOffset: number, endOffset: number, count: number) => ({
    startOffset,
    endOffset,
    count,
  });
  const functions = [
    { functionName: '', ranges: [range(0, 100, 1)] },
    { functionName: 'f', ranges: [range(10, 40, 3), range(20, 30, 0)] },
    { functionName: 'g', ranges: [range(50, 60, 0)] },
  ];
  const covered = coveredOf(functions);
  expect(covered).toEqual([0, 20, 30, 50, 60, 100]);
  expect([0, 19, 20, 29, 30, 55, 99, 100].map((offset) => covers(covered, offset))).toEqual([
    true,
    true,
    false,
    false,
    true,
    false,
    true,
    false,
  ]);
  // A process that loaded the module before: its functions alone.
  expect(coveredOf(functions.slice(1))).toEqual([10, 20, 30, 40]);
});

it('finds the functions of a bundle by the files that esbuild names', () => {
  const bundle =
    '// src/a/x.ts\nfunction f() {}\nfunction g() {}\n\n// node_modules/p/q.js\nfunction h() {}\n// src/a/y.ts\nfunction f2() {}\n';
  const executed = ['f()', 'h()', 'f2()'].map((name) => {
    const startOffset = bundle.indexOf(`function ${name}`);
    const range = { startOffset, endOffset: startOffset + name.length + 12, count: 1 };
    return { functionName: name.slice(0, -2), ranges: [range] };
  });
  const never = {
    functionName: 'g',
    ranges: [{ startOffset: bundle.indexOf('function g'), endOffset: 45, count: 0 }],
  };
  expect(namedIn(bundle, [...executed, never])).toEqual([
    ['src/a/x.ts', 'f'],
    ['src/a/y.ts', 'f'],
  ]);
});

it.each([
  ['function f() { g(); }', 'f'],
  ['class A { #f() { g(() => { h(); }); } }', '#f'],
  ['const f = () => { g(); };', 'f'],
  ['const a = { f() { g(); } };', 'f'],
  ['g();', undefined],
])('names the function around a mutation: %s', (text, within) => {
  expect(mutationsOf({ path: 'src/a/x.ts', text }).map((one) => one.within)).toContain(within);
});

const recorded = (path: string, ms: number, all: Recorded['covers'], passed = true): Recorded => ({
  path,
  ms,
  passed,
  covers: all,
  named: {},
});
const pathsOf = (tests: readonly Recorded[]) => tests.map(({ path }) => path);

it('runs the cheapest of those that execute it, within the budget', () => {
  const here = { 'src/a/x.ts': [10, 20] };
  const all = [
    recorded('test/e2e/a.test.ts', 9_000, here),
    recorded('test/b/a.test.ts', 900, here),
    recorded('test/a/a.test.ts', 1_000, here),
    recorded('test/a/fails.test.ts', 1, here, false),
    recorded('test/a/elsewhere.test.ts', 1, { 'src/a/x.ts': [0, 10, 20, 30] }),
  ];
  const { tests, left } = planFor(mutation({}), all, [], () => new Set(), 2_000);
  expect(pathsOf(tests)).toEqual(['test/a/a.test.ts', 'test/b/a.test.ts']);
  expect(left).toBe(1);
  const started = { ...recorded('test/cli/a.test.ts', 9, {}), named: { 'src/a/x.ts': ['f'] } };
  const inProcess = planFor(mutation({ within: 'f' }), [started], [], () => new Set(), 2_000);
  expect(pathsOf(inProcess.tests)).toEqual(['test/cli/a.test.ts']);
});

it('takes what executes the readers of a constant, and else what imports the file', () => {
  const sources = [
    { path: 'src/a/limits.ts', text: 'export const l = { dialMs: 4 };' },
    { path: 'src/a/x.ts', text: "import { l } from './limits.ts';\nwait(l.dialMs);" },
    { path: 'test/a/reads.test.ts', text: "import '../../src/a/x.ts';" },
    { path: 'test/b/reads.test.ts', text: '' },
  ];
  const limit = mutation({ path: 'src/a/limits.ts', name: 'dialMs', start: 27, end: 28 });
  const reads = sources[1]?.text.indexOf('.dialMs') ?? 0;
  const executed = [
    recorded('test/a/reads.test.ts', 5, {}),
    recorded('test/b/reads.test.ts', 5, { 'src/a/x.ts': [reads, reads + 1] }),
  ];
  const plan = (tests: Recorded[]) => pathsOf(planFor(limit, tests, sources, closures(sources), 100).tests);
  expect(plan(executed)).toEqual(['test/b/reads.test.ts']);
  expect(plan(executed.map((one) => ({ ...one, covers: {} })))).toEqual(['test/a/reads.test.ts']);
});

it('takes what imports a file too where a statement of it runs once a process', () => {
  const text = 'add(1);';
  const [statement = expect.fail('one')] = mutationsOf({ path: 'src/a/x.ts', text });
  const all = [
    recorded('test/a/first.test.ts', 5, { 'src/a/x.ts': [0, 7] }),
    recorded('test/a/x.test.ts', 9, {}),
  ];
  const { tests } = planFor(statement, all, [], () => new Set(['src/a/x.ts']), 100);
  expect(pathsOf(tests)).toEqual(['test/a/first.test.ts', 'test/a/x.test.ts']);
});

it('takes what is too slow under coverage last, if it imports the file, and what fits beside what does not', () => {
  const here = { 'src/a/x.ts': [10, 20] };
  const all = [recorded('test/a/a.test.ts', 9, here), recorded('test/a/slow.test.ts', 40_000, here)];
  const imports = () => new Set(['src/a/x.ts']);
  const plan = (msMax: number) => planFor(mutation({}), all, [], imports, msMax);
  expect(pathsOf(plan(30_000).tests)).toEqual(['test/a/a.test.ts', 'test/fuzz/fuzz.test.ts']);
  expect(plan(30_000).left).toBe(3);
  expect(plan(200_000).left).toBe(0);
});

it('counts by folder, without those that are equivalent or not tried yet', () => {
  const outcome = (killed: boolean, left = 0) => ({ killed, tests: 2, left, ms: 1, by: killed ? lint : '' });
  const tried = (killed: boolean, equivalent = false, left = 0) => ({
    mutation: mutation({}),
    equivalent,
    outcome: outcome(killed, left),
  });
  const waiting = { mutation: mutation({}), equivalent: false, outcome: undefined };
  const of = new Map([
    ['src/a', [tried(true), tried(true), tried(false, false, 4), tried(false, true), waiting]],
    ['src/b', [waiting]],
  ]);
  const lines = report(of);
  expect(lines.slice(2, 5)).toEqual([
    '| src/a | 3 | 2 | 2 | 1 | 66.7 % |',
    '| src/b | 0 | 0 | 0 | 0 | - |',
    '| all | 3 | 2 | 2 | 1 | 66.7 % |',
  ]);
  expect(lines).toContain('| removed await | 3 | 2 | 2 | 1 | 66.7 % |');
  expect(lines.filter((line) => line.startsWith('survived'))).toEqual([
    'survived: src/a/x.ts:1 removed await: await -> (nothing) (2 files of tests, 4 beyond the budget)',
  ]);
});

it('names as equivalent only what can still be drawn, and says why', () => {
  const files = new Map(houseFiles().map((source) => [source.path, source]));
  for (const { path, kind, change, proof } of equivalents) {
    const source = files.get(path);
    const found = source === undefined ? [] : mutationsOf(source);
    expect(found.filter((one) => one.kind === kind).map(changeOf), path).toContain(change);
    expect(proof).toMatch(/^[A-Z].{30,}\.$/);
  }
});

it('mutates a copy alone, and leaves nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mutate-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  vi.stubEnv('TMPDIR', folder);
  const commit = commitOf('HEAD');
  const [source] = filesAt(commit, ['src/store/limits.ts']);
  const [first] = source === undefined ? [] : mutationsOf(source);
  if (source === undefined || first === undefined) throw new Error('limits can be mutated');
  // Of all packages of here a copy takes seconds.
  const installed = join(folder, 'installed');
  for (const name of ['vitest', '.cache']) mkdirSync(join(installed, name), { recursive: true });
  const copy = new Copy(commit, installed);
  const inCopy = join(copy.checkout, first.path);
  expect(inCopy.startsWith(folder)).toBe(true);
  await expect(
    copy.with(first, async () => {
      expect(readFileSync(inCopy, 'utf8')).toBe(mutated(source.text, first));
      throw new Error('a run that fails');
    }),
  ).rejects.toThrow('a run that fails');
  expect(readFileSync(inCopy, 'utf8')).toBe(source.text);
  expect(readdirSync(join(copy.checkout, 'node_modules'))).toEqual(['vitest']);
  copy.remove();
  expect(existsSync(copy.checkout)).toBe(false);
});
