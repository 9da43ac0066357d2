import { isLostInRestore, isOver } from '../../src/controller/machine/facts.ts';
import { summaryOf } from '../../src/controller/machine/queries/summary.ts';
import { allRuns, publishedOf } from '../../src/controller/machine/state.ts';
import { hasEvidence } from '../../src/controller/machine/verdicts/verdict.ts';
import { accountOf } from '../../src/protocol/account/index.ts';
import { idOf } from '../../src/protocol/documents/index.ts';
import { type IdleWorker, type Observe, Violation } from '../observer.ts';

/**
 * A finished run holds its documents until its bundle is stored, and that bundle holds its last verdict. A run that a restore lost has the
 * bundle of the trusted verdict that was published before, where a trusted worker keeps it, and is trusted in lists.
 */
export function finished(): Observe {
  /** The verdict in the bundle stored last, by run. */
  let stored = new Map<string, string>();
  /** The same at the time of each copy. */
  const copied = new Map<number, Map<string, string>>();
  /** Trusted verdicts that were published, by run. */
  const trusted = new Map<string, string>();
  return (seen, truth) => {
    if (seen.kind === 'published') stored.set(seen.run, idOf(seen.verdict));
    if (seen.kind === 'published' && seen.verdict.predicate.quorate_verdict.level === 'trusted')
      trusted.set(seen.run, idOf(seen.verdict));
    if (seen.kind === 'copied') copied.set(seen.copy, new Map(stored));
    if (seen.kind === 'replaced') {
      const all = seen.copy === null ? stored : (copied.get(seen.copy) ?? stored);
      stored = new Map([...all].filter(([run]) => seen.bundles.has(run)));
    }
    if (seen.kind === 'bundle-lost') stored.delete(seen.run);
    if (seen.kind === 'handled') {
      for (const run of seen.state.runs.values())
        if (isOver(run) && !seen.state.unstored.has(run.id))
          throw new Violation('a run that is over and whose bundle is stored holds its documents');
    }
    if (seen.kind !== 'ended') return;
    for (const run of allRuns(seen.state)) {
      const published = publishedOf(run);
      const proven = isLostInRestore(run) ? trusted.get(run.id) : undefined;
      if (proven !== undefined && stored.get(run.id) === proven) {
        const { state } = accountOf(summaryOf(seen.state, run));
        if (state !== 'trusted' && seen.state.revocations.length === 0)
          throw new Violation(`the trusted bundle of a run is served that lists call ${state}`);
        continue;
      }
      const isKept = ({ id, bundles }: IdleWorker) => truth.personOf(id) === 'owner' && bundles.has(run.id);
      if (proven !== undefined && seen.state.revocations.length === 0 && seen.idle.some(isKept))
        throw new Violation(
          'a run was lost that was trusted, and its bundle is not the one that was published',
        );
      if (published === null || !hasEvidence(run)) continue;
      if (stored.get(run.id) !== published.verdict.id)
        throw new Violation('there is no bundle of a published verdict');
      if (seen.state.runs.has(run.id))
        throw new Violation('the bundle of a run is stored, and its documents are in memory');
    }
  };
}
