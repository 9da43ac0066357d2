import { artifactOf } from '../documents/index.ts';
import { controllerLimits } from './limits.ts';
import type { Recorded } from './state.ts';

/**
 * Files in which the outputs of these builds differ, as their receipts list them: by name, at most
 * `differingFilesToldMax`, and how many there are.
 */
export function differingFiles(builds: readonly Recorded[]): { files: string[]; count: number } {
  const made = builds.filter(({ outcome }) => artifactOf(outcome) !== null);
  const lists = made.map(
    ({ receipt }) =>
      new Map(receipt.payload.subject.slice(1).map(({ name, digest }) => [name, digest.sha256])),
  );
  const names = new Set(lists.flatMap((list) => [...list.keys()]));
  const differing = [...names].filter((name) => new Set(lists.map((list) => list.get(name))).size > 1).sort();
  return { files: differing.slice(0, controllerLimits.differingFilesToldMax), count: differing.length };
}
