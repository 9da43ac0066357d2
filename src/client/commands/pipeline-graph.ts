interface GraphJob {
  /** Of the job in this graph: its name, or the id of its run. */
  id: string;
  name: string;
  /** Ids of the jobs it needs; those that are not in the graph are left out. */
  needs: readonly string[];
}

interface GraphRow<Job extends GraphJob> {
  job: Job;
  /** The job's name behind the lines that lead to it. */
  head: string;
  /** Names of jobs that it needs too, beside the one it stands below and those that this one rests on. */
  also: string[];
}

/**
 * Draws jobs as a tree, one row each: a job stands below the last of those it needs, and the others are named in `also`, but for those that
 * this one needs itself. A job that is named twice counts once.
 */
export function graphRows<Job extends GraphJob>(jobs: readonly Job[]): GraphRow<Job>[] {
  const sorted = sortedByNeeds([...new Map(jobs.map((job) => [job.id, job])).values()]);
  const below = new Map<string | undefined, { job: Job; also: string[] }[]>();
  const under = new Map<string, Set<string>>();
  for (const job of sorted) {
    const needed = sorted.filter(({ id }) => id !== job.id && job.needs.includes(id));
    const reached = new Set(needed.flatMap(({ id }) => [...(under.get(id) ?? [])]));
    under.set(job.id, new Set([...reached, ...needed.map(({ id }) => id)]));
    const direct = needed.filter(({ id }) => !reached.has(id));
    const parent = direct.at(-1);
    const also = direct.slice(0, -1).map(({ name }) => name);
    const siblings = below.get(parent?.id) ?? [];
    siblings.push({ job, also });
    below.set(parent?.id, siblings);
  }
  const rows: GraphRow<Job>[] = [];
  const draw = (id: string | undefined, indent: string): void => {
    const all = below.get(id) ?? [];
    for (const [at, { job, also }] of all.entries()) {
      const last = at === all.length - 1;
      const [branch, deeper] = id === undefined ? ['', ''] : last ? ['└ ', '  '] : ['├ ', '│ '];
      rows.push({ job, head: `${indent}${branch}${job.name}`, also });
      draw(job.id, indent + deeper);
    }
  };
  draw(undefined, '');
  return rows;
}

/** Each job after those it needs, otherwise as given. Jobs that need each other, which no controller has, come last. */
function sortedByNeeds<Job extends GraphJob>(jobs: readonly Job[]): Job[] {
  const ids = new Set(jobs.map(({ id }) => id));
  const sorted: Job[] = [];
  const done = new Set<string>();
  let left = [...jobs];
  while (left.length > 0) {
    const isReady = ({ needs }: Job) => needs.every((id) => done.has(id) || !ids.has(id));
    const ready = left.filter(isReady);
    if (ready.length === 0) return [...sorted, ...left.map((job) => ({ ...job, needs: [] }))];
    for (const job of ready) done.add(job.id);
    sorted.push(...ready);
    left = left.filter(({ id }) => !done.has(id));
  }
  return sorted;
}
