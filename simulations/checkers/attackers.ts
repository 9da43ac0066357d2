import { artifactOf } from '../../src/core/documents/index.ts';
import { type Checker, Violation } from '../observer.ts';
import { truthOf } from '../scenario.ts';

/**
 * What attackers make is never trusted: not where an honest trusted worker has to co-sign, however many they are, and
 * not by agreement alone while they are fewer than N.
 */
export function attackers(): Checker {
  const invariant = 'attackers';
  return {
    invariant,
    observe(seen, truth) {
      if (seen.kind !== 'published') return;
      const { level, outcome } = seen.verdict.predicate.quorate_verdict;
      const work = truth.workOf(seen.run);
      if (level !== 'trusted' || outcome === null || work === undefined) return;
      const { policy } = work;
      const right = truthOf(work);
      if (right === undefined || artifactOf(right) === artifactOf(outcome)) return;
      if (policy.cosign === 'required')
        throw new Violation(invariant, 'a tampered artifact is trusted, and co-signed');
      if (truth.attackers < policy.agree)
        throw new Violation(
          invariant,
          `a tampered artifact is trusted; only ${truth.attackers} operator(s) tamper`,
        );
    },
  };
}
