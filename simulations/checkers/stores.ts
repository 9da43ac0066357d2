import { artifactOf } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';

/** Where the controller keeps no bytes, each published artifact is kept by as many stores as `--copies` asks for. */
export function stores(): Observe {
  return (seen, { stores: wanted }) => {
    if (seen.kind !== 'published' || wanted === undefined) return;
    const { level, outcome } = seen.verdict.predicate.quorate_verdict;
    const artifact = outcome === null ? null : artifactOf(outcome);
    if (artifact === null || (level !== 'agreed' && level !== 'trusted')) return;
    const count = wanted.keeping(artifact);
    if (count < wanted.copies)
      throw new Violation(
        `a verdict "${level}" is out, and ${count} of ${wanted.copies} stores ever kept its artifact`,
      );
  };
}
