/** As V8 reports it. */
export interface Script {
  readonly url: string;
  readonly functions: readonly {
    readonly functionName: string;
    readonly ranges: readonly { startOffset: number; endOffset: number; count: number }[];
  }[];
}

/** Offsets of a file that were executed: start and end in turn, ascending. */
export type Covered = readonly number[];

/** One file of tests, by itself. */
export interface Recorded {
  readonly path: string;
  readonly ms: number;
  readonly passed: boolean;
  /** By file of the sources. */
  readonly covers: Readonly<Record<string, Covered>>;
  /** By file of the sources: functions that processes executed which the tests started, by their names. */
  readonly named: Readonly<Record<string, readonly string[]>>;
}

/** Ranges lie within each other, and the innermost counts. Code that is no function's ran when the module was loaded. */
export function coveredOf(functions: Script['functions']): number[] {
  const ranges = functions
    .flatMap((one) => one.ranges)
    .sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  const covered: number[] = [];
  const add = (start: number, end: number, isCovered: boolean): void => {
    if (!isCovered || start >= end) return;
    if (covered.at(-1) === start) covered[covered.length - 1] = end;
    else covered.push(start, end);
  };
  const open: { end: number; isCovered: boolean }[] = [];
  let at = 0;
  const closeUntil = (offset: number): void => {
    for (let last = open.at(-1); last !== undefined && last.end <= offset; last = open.at(-1)) {
      add(at, last.end, last.isCovered);
      at = Math.max(at, last.end);
      open.pop();
    }
  };
  for (const { startOffset, endOffset, count } of ranges) {
    closeUntil(startOffset);
    add(at, startOffset, open.at(-1)?.isCovered ?? false);
    at = startOffset;
    open.push({ end: endOffset, isCovered: count > 0 });
  }
  closeUntil(Number.POSITIVE_INFINITY);
  return covered;
}

export function covers(covered: Covered | undefined, offset: number): boolean {
  if (covered === undefined) return false;
  for (let n = 0; n < covered.length; n += 2)
    if ((covered[n] ?? 0) <= offset && offset < (covered[n + 1] ?? 0)) return true;
  return false;
}

/** Functions of a bundle that were executed: esbuild names the file of the sources above the code that comes of it. */
export function namedIn(bundle: string, functions: Script['functions']): [path: string, name: string][] {
  const files = [...bundle.matchAll(/^\/\/ (\S+)$/gm)].map(({ index, 1: path = '' }) => ({ index, path }));
  return functions.flatMap(({ functionName, ranges: [whole] }) => {
    if (functionName === '' || whole === undefined || whole.count === 0) return [];
    const path = files.findLast(({ index }) => index <= whole.startOffset)?.path ?? '';
    // Of two functions with one name, esbuild calls the second `name2`.
    return /^(src|sandbox)\//.test(path)
      ? [[path, functionName.replace(/(?<=\D)\d$/, '')] as [string, string]]
      : [];
  });
}
