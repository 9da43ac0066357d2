import { drawOf, fullShare } from '../trust/index.ts';
import { wireLimits } from '../wire/limits.ts';
import { sessionLimits } from './limits.ts';

/** PeerIds of workers that fetch a bundle at once: who has it already (`having`), then by draws for the artifact, which share the load. */
export function mirrorsOf(
  artifact: string,
  workers: Iterable<string>,
  having: readonly string[] = [],
): string[] {
  const others = [...new Set(workers)].filter((worker) => !having.includes(worker));
  const draws = others.map((worker) => ({ worker, draw: drawOf(worker, artifact) }));
  draws.sort((a, b) => a.draw - b.draw);
  return [...having, ...draws.map(({ worker }) => worker)].slice(0, wireLimits.mirrorsMax);
}

/** How long another worker waits before it fetches the bundle, in ms: from `mirrorLaterMs` to twice that, by its draw. */
export const laterMs = (artifact: string, worker: string): number =>
  sessionLimits.mirrorLaterMs * (1 + drawOf(worker, artifact) / fullShare);
