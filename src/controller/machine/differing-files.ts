import { artifactOf, type Receipt } from '../../protocol/documents/index.ts';
import { controllerLimits } from './limits.ts';

/**
 * Files in which the outputs of these builds differ, as their receipts list them: by name, at most
 * `differingFilesToldMax`, and how many there are.
 */
export function differingFiles(builds: readonly { payload: Receipt }[]): { files: string[]; count: number } {
  const made = builds.filter(({ payload }) => artifactOf(payload.predicate.quorate_receipt.outcome) !== null);
  const lists = made.map(
    ({ payload }) => new Map(payload.subject.slice(1).map(({ name, digest }) => [name, digest.sha256])),
  );
  const names = new Set(lists.flatMap((list) => [...list.keys()]));
  const differing = [...names].filter((name) => new Set(lists.map((list) => list.get(name))).size > 1).sort();
  return { files: differing.slice(0, controllerLimits.differingFilesToldMax), count: differing.length };
}
