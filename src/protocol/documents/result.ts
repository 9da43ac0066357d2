import { idOf } from './canonical.ts';
import { artifactOf, type FileHash, type Outcome, type Receipt, type Verdict } from './statement.ts';

/** The files that a receipt or a verdict lists. The first subject is the tree, or the job where there is none. */
export function filesOf({ subject }: Receipt | Verdict): FileHash[] {
  return subject.slice(1).map(({ name, digest }) => ({ path: name, sha256: digest.sha256 }));
}

/**
 * One digest of all that a build made: exit status, CID of the tree, and each file with its sha256, in the order of the
 * receipt. Builds agree when it is equal. Null for an aborted build.
 */
export function resultIdOf(outcome: Outcome, files: readonly FileHash[]): string | null {
  if (outcome.kind !== 'exit') return null;
  const { code, artifact } = outcome;
  return idOf({ code, artifact, files: artifactOf(outcome) === null ? [] : files });
}

/** The same of what a receipt or a verdict states; null for a verdict about no build. */
export function resultOf(statement: Receipt | Verdict): string | null {
  const { predicate } = statement;
  const { outcome } = 'quorate_receipt' in predicate ? predicate.quorate_receipt : predicate.quorate_verdict;
  return outcome === null ? null : resultIdOf(outcome, filesOf(statement));
}
