import { type Observe, Violation } from '../observer.ts';

/** A revealed result of an honest worker is served by that worker in the end. */
export function served(): Observe {
  /** Artifacts to be published, by worker. */
  const due = new Map<string, Set<string>>();
  return (seen) => {
    if (seen.kind === 'worker-handled') {
      for (const effect of seen.effects) {
        if (effect.kind !== 'publish' || effect.artifact === null) continue;
        due.set(seen.worker, (due.get(seen.worker) ?? new Set()).add(effect.artifact));
      }
    }
    if (seen.kind !== 'ended') return;
    for (const { id, worker, served: has } of seen.idle) {
      const missing = [...(due.get(id) ?? [])].filter((artifact) => !has.has(artifact));
      if (missing.length > 0)
        throw new Violation(`${worker} serves ${missing.length} revealed result(s) not`);
    }
  };
}
