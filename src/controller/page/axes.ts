/** Jobs of one matrix by two axes: what its keys' values are called in their names. */
interface Grid<Job> {
  name: string;
  columns: string[];
  rows: { name: string; cells: (Job | undefined)[] }[];
}

interface Named {
  name: string;
}

/** Jobs of a matrix, at least so many, or one by itself. */
export interface JobGroup<Job> {
  /** The name of the job file, without the values of a matrix. */
  name: string;
  jobs: Job[];
  isMatrix: boolean;
}

const matrixMin = 4;
/** Columns that a telephone has room for. */
const columnsMax = 6;
/** Values in a name that are told apart in every way; of more each is an axis. */
const partsMax = 6;

/** Jobs as the job file has them, in the order of their first: those of a matrix are called `test.gcc.1`. */
export function groupsOf<Job extends Named>(jobs: readonly Job[]): JobGroup<Job>[] {
  const byName = Map.groupBy(jobs, ({ name }) => name.split('.', 1)[0] ?? name);
  return [...byName].flatMap(([name, of]): JobGroup<Job>[] =>
    of.length >= matrixMin
      ? [{ name, jobs: of, isMatrix: true }]
      : of.map((job) => ({ name: job.name, jobs: [job], isMatrix: false })),
  );
}

/** The grid of a matrix, with its longest axis across that has room; undefined where its names tell fewer than two axes. A value may have dots too. */
export function gridOf<Job extends Named>({
  name,
  jobs,
}: Pick<JobGroup<Job>, 'name' | 'jobs'>): Grid<Job> | undefined {
  const parts = jobs.map((job) => job.name.slice(name.length + 1).split('.'));
  const width = parts[0]?.length ?? 0;
  if (parts.some(({ length }) => length !== width)) return undefined;
  const axes = axesOf(parts, width);
  if (axes.length < 2) return undefined;
  const values = axes.map((axis) => new Set(parts.map((part) => valueAt(part, axis))).size);
  const fitting = values.filter((count) => count <= columnsMax);
  const across = values.lastIndexOf(fitting.length > 0 ? Math.max(...fitting) : Math.min(...values));
  const rows = new Map<string, Map<string, Job>>();
  const columns = new Set<string>();
  for (const [n, job] of jobs.entries()) {
    const part = parts[n] ?? [];
    const texts = axes.map((axis) => valueAt(part, axis));
    const [column = ''] = texts.splice(across, 1);
    const row = rows.get(texts.join(' · ')) ?? new Map<string, Job>();
    rows.set(texts.join(' · '), row.set(column, job));
    columns.add(column);
  }
  return {
    name,
    columns: [...columns],
    rows: [...rows].map(([row, cells]) => ({ name: row, cells: [...columns].map((one) => cells.get(one)) })),
  };
}

/** An axis: parts of a name, from one to before another. */
type Axis = readonly [from: number, to: number];

const valueAt = (part: readonly string[], [from, to]: Axis): string => part.slice(from, to).join('.');

/**
 * The finest way to cut names of so many parts into axes with which the matrix is full; without one each part is an axis, where more than
 * half of the cells are there. Axes of one value are none.
 */
function axesOf(parts: readonly (readonly string[])[], width: number): Axis[] {
  const sizeOf = (axis: Axis) => new Set(parts.map((part) => valueAt(part, axis))).size;
  const cells = (way: readonly Axis[]) => way.reduce((size, axis) => size * sizeOf(axis), 1);
  const single = Array.from({ length: width }, (_, n): Axis => [n, n + 1]);
  const ways = width > partsMax ? [] : waysToCut(width).filter(({ length }) => length > 1);
  const way = ways.find((one) => cells(one) === parts.length);
  const axes = way ?? (cells(single) < 2 * parts.length ? single : []);
  return axes.filter((axis) => sizeOf(axis) > 1);
}

/** All ways to cut so many parts into pieces, those with more pieces first. */
function waysToCut(width: number): Axis[][] {
  const ways: Axis[][] = [];
  for (let cuts = 2 ** Math.max(0, width - 1) - 1; cuts >= 0; cuts--) {
    const way: Axis[] = [];
    let from = 0;
    for (let at = 1; at <= width; at++)
      if (at === width || (cuts >> (at - 1)) % 2 === 1) {
        way.push([from, at]);
        from = at;
      }
    ways.push(way);
  }
  return ways.sort((a, b) => b.length - a.length);
}
