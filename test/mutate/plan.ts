import { posix } from 'node:path';
import { importsOf, type Source } from '../tidy/house/source.ts';
import { covers, type Recorded } from './coverage.ts';
import type { Mutation } from './operators.ts';

export interface Plan {
  /** In the order in which they are to run. */
  readonly tests: readonly Recorded[];
  /** Files beyond the budget. */
  readonly left: number;
}

/** By file: all that it imports, at any distance. */
export function closures(sources: readonly Source[]): (path: string) => ReadonlySet<string> {
  const direct = new Map(
    sources.map((source) => [
      source.path,
      importsOf(source)
        .filter(({ specifier }) => specifier.startsWith('.'))
        .map(({ specifier }) => posix.join(posix.dirname(source.path), specifier)),
    ]),
  );
  const known = new Map<string, ReadonlySet<string>>();
  return (path) => {
    const before = known.get(path);
    if (before !== undefined) return before;
    const found = new Set<string>();
    const open = [path];
    for (let next = open.pop(); next !== undefined; next = open.pop())
      for (const to of direct.get(next) ?? [])
        if (!found.has(to)) {
          found.add(to);
          open.push(to);
        }
    known.set(path, found);
    return found;
  };
}

/** Coverage makes these up to fifty times slower, so they count as executing all that they import. Milliseconds without it. */
export const unrecorded: readonly Recorded[] = Object.entries({
  'test/fuzz/fuzz.test.ts': 17_000,
  'test/simulations/bugs.test.ts': 30_000,
  'test/simulations/faults.test.ts': 20_000,
}).map(([path, ms]) => ({ path, ms, passed: true, covers: {}, named: {} }));

/** How many folders of the sources a file of tests mirrors: `test/store/x.test.ts` mirrors one of `src/store/y.ts`. */
function mirrored(test: string, path: string): number {
  const [a, b] = [test.replace(/^test\//, ''), path.replace(/^src\//, '')].map((one) =>
    posix.dirname(one).split('/'),
  );
  let same = 0;
  while (a?.[same] !== undefined && a[same] === b?.[same]) same++;
  return same;
}

/** Places that read a constant: a member of a table of limits, or a constant of its own file. */
function readersOf({ path, name, start, end }: Mutation, sources: readonly Source[]): [string, number][] {
  if (name === undefined) return [];
  const isTable = posix.basename(path) === 'limits.ts';
  const word = new RegExp(`${isTable ? '\\.' : '\\b'}${name}\\b`, 'g');
  return sources
    .filter((source) => isTable || source.path === path)
    .flatMap((source) => [...source.text.matchAll(word)].map(({ index }) => [source.path, index] as const))
    .filter(([file, index]) => file !== path || index < start || index >= end)
    .map(([file, index]) => [file, index]);
}

/**
 * Files of tests that execute what is mutated, cheapest first; those beside it count for a fraction of their time. Code that runs when
 * a module is loaded runs once a process, so that coverage cannot tell: what executes its readers, else what imports it.
 */
export function planFor(
  mutation: Mutation,
  recorded: readonly Recorded[],
  sources: readonly Source[],
  imports: (path: string) => ReadonlySet<string>,
  msMax: number,
): Plan {
  const readers = readersOf(mutation, sources);
  const { path: mutatedPath, start, within, atLoad } = mutation;
  const executed = ({ covers: all, named }: Recorded): boolean =>
    readers.length > 0
      ? readers.some(([file, offset]) => covers(all[file], offset))
      : covers(all[mutatedPath], start) ||
        (within !== undefined && named[mutatedPath]?.includes(within) === true);
  const steady = recorded.filter(({ passed }) => passed);
  const direct = steady.filter(executed);
  const importers = (all: readonly Recorded[]) => all.filter(({ path }) => imports(path).has(mutatedPath));
  const loaded = atLoad === true ? [...new Set([...direct, ...importers(steady)])] : direct;
  const chosen = [...(loaded.length > 0 ? loaded : importers(steady)), ...importers(unrecorded)];
  const price = ({ path, ms }: Recorded) => (ms + 100) / (1 + 3 * mirrored(path, mutatedPath));
  const sorted = chosen.sort((a, b) => price(a) - price(b) || (a.path < b.path ? -1 : 1));
  let sum = 0;
  const tests = sorted.filter(({ ms }, index) => {
    const fits = index === 0 || sum + ms <= msMax;
    if (fits) sum += ms;
    return fits;
  });
  return { tests, left: chosen.length - tests.length };
}
