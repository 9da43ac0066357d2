import { artifactOf } from '../../src/protocol/documents/index.ts';
import { cosignersOf } from '../../src/protocol/judge/policy.ts';
import { type Observe, Violation } from '../observer.ts';
import { tamperedAlike, truthOf } from '../outcomes.ts';

/** A tampered artifact is never trusted where an honest worker must co-sign, nor while fewer than N attackers agree. */
export function attackers(): Observe {
  return (seen, truth) => {
    if (seen.kind !== 'published') return;
    const { level, outcome } = seen.verdict.predicate.quorate_verdict;
    const work = truth.workOf(seen.run);
    if (level !== 'trusted' || outcome === null || work === undefined) return;
    const { policy } = work;
    const right = truthOf(work);
    if (right === undefined || artifactOf(right) === artifactOf(outcome)) return;
    // An honest build of a tampered input is another artifact; its level is at most that of the input.
    if (Object.keys(work.needs ?? {}).length > 0 && artifactOf(outcome) !== tamperedAlike(work)) return;
    if (cosignersOf(policy) > 0) throw new Violation('a tampered artifact is trusted, and co-signed');
    if (truth.attackers < policy.agree)
      throw new Violation(`a tampered artifact is trusted; only ${truth.attackers} operator(s) tamper`);
  };
}
