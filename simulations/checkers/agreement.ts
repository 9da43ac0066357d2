import { isOver, type RunFacts } from '../../src/controller/machine/facts.ts';
import { revocationsIn } from '../../src/controller/machine/members/revocations.ts';
import { allRuns, publishedLevelOf } from '../../src/controller/machine/state.ts';
import { voteRevoked } from '../../src/protocol/trust/revocations.ts';
import { type Observe, Violation } from '../observer.ts';

/** Kinds of progress that begin or end an agreement. Where the last of a run is `agreed`, N operators agree. */
const turns = [
  ...(['round', 'agreed', 'contradicted', 'pin-failed', 'cosign-refused', 'cancelled'] as const),
  ...(['input-lost', 'reopened'] as const),
];

function lastTurn(run: RunFacts): string | undefined {
  return run.history.flatMap(({ progress: { kind } }) => turns.filter((turn) => turn === kind)).at(-1);
}

/** Checks that a run on which N operators agree does not end without a result because a trusted worker or a connection failed. */
export function agreement(): Observe {
  /** Runs that waited for a trusted worker's signature to an agreement. */
  const awaited = new Set<string>();
  return (seen, truth) => {
    if (seen.kind === 'handled') {
      for (const { id, phase } of seen.state.runs.values()) {
        const trusts = phase.kind === 'cosigning' && phase.draft.level === 'trusted';
        if (trusts) awaited.add(id);
      }
    }
    if (seen.kind !== 'ended') return;
    const revoked = revocationsIn(seen.state);
    for (const run of allRuns(seen.state)) {
      if (!isOver(run) || !awaited.has(run.id) || lastTurn(run) !== 'agreed') continue;
      // A revoked receipt does not count, so the rest may be too few to agree.
      if (run.receipts.some((vote) => voteRevoked(revoked, vote) !== undefined)) continue;
      const level = publishedLevelOf(run);
      if (level === 'disputed' || level === 'unfinished')
        throw new Violation(`${truth.workOf(run.id)?.name} was agreed on and is ${level}`);
    }
  };
}
