import type { Prepared } from '../../../src/member/submit.ts';
import { type LiveProject, spent, tower, volunteers } from './live-project.ts';
import { sleep } from './wait.ts';

/** Storing and spreading proofs after a verdict is a part of the cost. */
const quietMs = 2_000;
/** Over which it is measured what nodes do without any run. */
const restMs = 8_000;

/** The cost of a run, in milliseconds of processor time or in what else is measured, without what nodes do at rest. */
export interface RunCost {
  controller: number;
  trusted: number;
  /** A worker that builds, its build included. */
  builder: number;
  /** A worker that is connected and builds nothing. */
  idle: number;
  /** Controller, trusted worker and three that build. */
  involved: number;
  /** All nodes together. */
  all: number;
  /** A worker at rest, a second. */
  rest: number;
}

/** `count` runs of a commit. Where all workers build all of them, what one costs that builds nothing is not known: 0. */
export async function costOfRuns(
  project: LiveProject,
  commit: Prepared,
  count: number,
  signal: AbortSignal,
  measure = () => project.used(),
): Promise<RunCost> {
  const [atRest, restBegan] = [await measure(), performance.now()];
  await sleep(restMs);
  const [before, began] = [await measure(), performance.now()];
  const builders = await project.runs(commit, { count, atOnce: 8 }, signal);
  await sleep(quietMs);
  const after = await measure();
  const [restSeconds, seconds] = [began - restBegan, performance.now() - began].map((ms) => ms / 1000);
  const rest = (name: string): number =>
    spent(atRest, before, (node) => node === name) / (restSeconds ?? Number.NaN);
  const of = (name: string): number =>
    (spent(before, after, (node) => node === name) - rest(name) * (seconds ?? Number.NaN)) / count;
  const workers = [...after.keys()].filter((name) => name !== 'controller' && name !== tower);
  const { idle, builder } = split(
    workers.map((name) => ({
      builds: builders.filter((operators) => operators.includes(name)).length / count,
      used: of(name),
    })),
  );
  const [controller, trusted] = [of('controller'), of(tower)];
  const involved = controller + trusted + volunteers.length * builder;
  const resting = workers.reduce((sum, name) => sum + rest(name), 0) / workers.length;
  const all = workers.reduce((sum, name) => sum + of(name), controller + trusted);
  return { controller, trusted, builder, idle, involved, all, rest: resting };
}

/** Least squares: what a worker spends is a part for each run, and a part for each that it builds. */
function split(points: readonly { builds: number; used: number }[]): { idle: number; builder: number } {
  const mean = (of: (point: { builds: number; used: number }) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [builds, used] = [mean((point) => point.builds), mean((point) => point.used)];
  const variance = mean((point) => (point.builds - builds) ** 2);
  if (variance === 0) return { idle: 0, builder: used / builds };
  const slope = mean((point) => (point.builds - builds) * (point.used - used)) / variance;
  const idle = used - slope * builds;
  return { idle, builder: idle + slope };
}
