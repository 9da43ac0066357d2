import { posix } from 'node:path';
import { type Finding, importsOf, isCode, lineAt, type Source } from './source.ts';

const looked = /^(src|sandbox|bootstrap|simulations)\//;

/** The files a file imports, and where: path → offset. Type imports and re-exports count. */
type Graph = Map<string, Map<string, number>>;

function graphOf(sources: readonly Source[]): Graph {
  const code = sources.filter(({ path }) => isCode(path) && looked.test(path));
  const paths = new Set(code.map(({ path }) => path));
  return new Map(
    code.map((source) => {
      const found = importsOf(source)
        .filter(({ specifier }) => specifier.startsWith('.'))
        .map(({ specifier, offset }): [string, number] => [
          posix.join(posix.dirname(source.path), specifier),
          offset,
        ])
        .filter(([to]) => paths.has(to));
      // In reverse, so that the first import of a file wins.
      return [source.path, new Map(found.reverse())];
    }),
  );
}

/** The shortest path along imports from `start` back to `start`, without its end; undefined when there is none. */
function cycleThrough(graph: Graph, start: string): string[] | undefined {
  const before = new Map<string, string>();
  const queue = [start];
  for (const path of queue) {
    for (const next of graph.get(path)?.keys() ?? []) {
      if (next === start) return pathTo(path, before);
      if (before.has(next)) continue;
      before.set(next, path);
      queue.push(next);
    }
  }
  return undefined;
}

/** From the start of the search to `end`. */
function pathTo(end: string, before: ReadonlyMap<string, string>): string[] {
  const path = [end];
  for (let at = before.get(end); at !== undefined; at = before.get(at)) path.unshift(at);
  return path;
}

/**
 * Import cycles. Each finding names one cycle in full, at the first import of its alphabetically first file; the import that
 * it stands at is then left out of the graph, until no cycle is left.
 */
export function cycles(sources: readonly Source[]): Finding[] {
  const graph = graphOf(sources);
  const texts = new Map(sources.map(({ path, text }) => [path, text]));
  const findings: Finding[] = [];
  for (const path of [...graph.keys()].sort()) {
    for (;;) {
      const cycle = cycleThrough(graph, path);
      if (cycle === undefined) break;
      const next = cycle[1] ?? path;
      const offset = graph.get(path)?.get(next) ?? 0;
      const line = lineAt(texts.get(path) ?? '', offset);
      const message = `import cycle: ${[...cycle, path].join(' → ')}`;
      findings.push({ rule: 'cycles', path, line, message });
      graph.get(path)?.delete(next);
    }
  }
  return findings;
}
