import { isOver, levelOf, type Run } from '../../src/core/controller/state.ts';
import { type Checker, Violation } from '../observer.ts';

/** What the last of these says of a run whose bytes were pinned: N operators agree, or something came in between. */
const turns = ['round', 'agreed', 'contradicted', 'pin-failed', 'cosign-refused', 'cancelled'] as const;

function lastTurn(run: Run): string | undefined {
  return run.history.flatMap(({ progress: { kind } }) => turns.filter((turn) => turn === kind)).at(-1);
}

/** What N operators agree on stands: no trusted worker that is gone, and no connection that fails, makes it disputed. */
export function agreement(): Checker {
  const invariant = 'agreement';
  /** Runs that waited for a trusted worker's signature to an agreement. */
  const awaited = new Set<string>();
  return {
    invariant,
    observe(seen, truth) {
      if (seen.kind === 'handled') {
        for (const { id, phase } of seen.state.runs.values()) {
          const trusts =
            phase.kind === 'cosigning' && phase.draft.payload.predicate.quorate_verdict.level === 'trusted';
          if (trusts) awaited.add(id);
        }
      }
      if (seen.kind !== 'ended') return;
      for (const run of seen.state.runs.values()) {
        if (!isOver(run) || !awaited.has(run.id) || lastTurn(run) !== 'agreed') continue;
        if (levelOf(run) === 'disputed')
          throw new Violation(invariant, `${truth.workOf(run.id)?.name} was agreed on and is disputed`);
      }
    },
  };
}
