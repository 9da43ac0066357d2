import { publishedOf, type Run } from '../../src/controller/machine/state.ts';
import { isTrustedSlot } from '../../src/protocol/documents/index.ts';
import { ownFailureCounts } from '../../src/protocol/trust/decide.ts';
import { type Observe, Violation } from '../observer.ts';

type Receipt = Run['receipts'][number];

/** The results that receipts state; of failures that form no quorum only that there are some. */
function madeOf(receipts: readonly Receipt[], run: Run): Set<string> {
  const failuresCount = ownFailureCounts(run.request.payload.policy, run.job);
  return new Set(
    receipts.flatMap(({ outcome, result }) => {
      if (outcome.kind !== 'exit' || result === null) return [];
      return [outcome.code === 0 || failuresCount ? result : 'a failure'];
    }),
  );
}

/** Receipts of operators that count, of an artifact that somebody served. */
function countedOf({ request, receipts, unserved }: Run): Receipt[] {
  const { of, rounds } = request.payload.policy;
  return receipts.filter(
    ({ slot, round, sealed, outcome }) =>
      !isTrustedSlot(slot) &&
      slot < of &&
      round <= rounds &&
      sealed &&
      outcome.kind === 'exit' &&
      !unserved.includes(outcome.artifact ?? ''),
  );
}

/** Whether N operators of a round came to one result. */
function isReached(counted: readonly Receipt[], { request }: Run): boolean {
  return counted.some(
    ({ round, result }) =>
      counted.filter((other) => other.round === round && other.result === result).length >=
      request.payload.policy.agree,
  );
}

/** A run ends as disputed where somebody built something else, and as unfinished where nobody did: counted without what `decide` does. */
export function endings(): Observe {
  return (seen, truth) => {
    // The word of a revoked worker counts no more.
    if (seen.kind !== 'handled' || seen.state.revocations.length > 0) return;
    for (const effect of seen.effects) {
      if (effect.kind !== 'progress' || effect.progress.kind !== 'verdict') continue;
      const run = seen.state.runs.get(effect.run);
      const published = run === undefined ? null : publishedOf(run);
      if (run === undefined || published === null || published.ending === 'cosign-refused') continue;
      const { level } = published.verdict.payload.predicate.quorate_verdict;
      const name = truth.workOf(run.id)?.name;
      if (level === 'disputed' && madeOf(run.receipts, run).size < 2)
        throw new Violation(`${name} is disputed, and all who built came to the same`);
      if (level !== 'unfinished') continue;
      const counted = countedOf(run);
      const trusted = run.receipts.filter(({ slot }) => isTrustedSlot(slot));
      const operators = madeOf(counted, run);
      const all = madeOf([...counted, ...trusted], run);
      const differs = operators.size > 1 || (operators.size > 0 && all.size > operators.size);
      if (differs && !isReached(counted, run))
        throw new Violation(`${name} is unfinished, and somebody built something else`);
    }
  };
}
