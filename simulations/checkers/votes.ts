import { isTrustedSlot } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';

/** One invite, one vote: keys that joined on the same invite deliver once in a round, and count once. */
export function votes(): Observe {
  const delivered = new Map<string, { run: string; worker: string }>();
  return (seen, truth) => {
    if (seen.kind === 'handled') {
      for (const effect of seen.effects) {
        if (effect.kind !== 'progress' || effect.progress.kind !== 'delivered') continue;
        const { round, slot, worker } = effect.progress;
        if (isTrustedSlot(slot)) continue;
        // With other inputs it is another job, whose rounds begin anew.
        const job = seen.state.index.get(effect.run)?.jobId;
        const key = `${effect.run} ${job} round ${round} ${truth.personOf(worker)}`;
        const before = delivered.get(key);
        if (before !== undefined)
          throw new Violation(`${truth.personOf(worker)} delivered twice in round ${round}`);
        delivered.set(key, { run: effect.run, worker });
      }
    }
    if (seen.kind === 'restored')
      for (const [key, { run, worker }] of delivered) {
        const receipts = seen.state.index.get(run)?.receipts ?? [];
        if (!receipts.some((one) => one.worker === worker)) delivered.delete(key);
      }
    if (seen.kind !== 'published') return;
    const { level, outcome, receipts, policy, earlier } = seen.verdict.predicate.quorate_verdict;
    // An answer has no votes of its own: see the `answers` checker.
    if (earlier !== undefined) return;
    if ((level !== 'agreed' && level !== 'trusted') || outcome?.kind !== 'exit') return;
    const people = new Map<number, Set<string>>();
    for (const { worker, round, slot, outcome: said } of receipts) {
      if (isTrustedSlot(slot) || said.kind !== 'exit') continue;
      if (said.code !== outcome.code || said.artifact !== outcome.artifact) continue;
      people.set(round, (people.get(round) ?? new Set()).add(truth.personOf(worker)));
    }
    const most = Math.max(0, ...[...people.values()].map(({ size }) => size));
    if (most < policy.agree)
      throw new Violation(`${level} with ${most} people in a round; the policy asks for ${policy.agree}`);
  };
}
