import type { Cluster } from '../e2e/support/cluster.ts';
import type { Line } from '../e2e/support/told.ts';

/** Where each host stands in what it tells, by its name. */
export function marksOf(cluster: Cluster): Map<string, number> {
  return new Map([...cluster.workers].map(([name, proc]) => [name, proc.mark()]));
}

/** The lines of an event that hosts told after those marks. */
export function toldSince(
  cluster: Cluster,
  at: Map<string, number>,
  event: string,
): { name: string; line: Line }[] {
  return [...cluster.workers].flatMap(([name, proc]) =>
    proc.lines
      .slice(at.get(name) ?? 0)
      .filter((line) => line.event === event)
      .map((line) => ({ name, line })),
  );
}
