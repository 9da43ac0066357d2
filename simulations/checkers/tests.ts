import { idOf, isTrustedSlot, type Outcome, type VerdictFacts } from '../../src/core/documents/index.ts';
import { type Checker, Violation } from '../observer.ts';

type Exit = Extract<Outcome, { kind: 'exit' }>;

/** The earliest round in which N operators came to the same outcome, of those that count. */
function firstRound(
  { receipts, policy }: VerdictFacts,
  counts: (outcome: Exit) => boolean,
): number | undefined {
  const found = new Map<string, number>();
  const rounds = receipts.flatMap(({ outcome, slot, round }) => {
    if (isTrustedSlot(slot) || outcome.kind !== 'exit' || !counts(outcome)) return [];
    const key = `${round} ${idOf(outcome)}`;
    found.set(key, (found.get(key) ?? 0) + 1);
    return found.get(key) === policy.agree ? [round] : [];
  });
  return rounds.length === 0 ? undefined : Math.min(...rounds);
}

/**
 * No test makes an artifact. Of a test that nobody co-signs, the failure that N operators came to is the end: nobody builds it after
 * that, and no verdict says otherwise.
 */
export function tests(): Checker {
  const invariant = 'tests';
  let revoked = false;
  return {
    invariant,
    observe(seen, truth) {
      if (seen.kind === 'handled' && seen.event.kind === 'revoke') revoked = true;
      if (seen.kind === 'sent' && seen.effect.kind === 'progress') {
        const { progress, run } = seen.effect;
        if (progress.kind === 'verdict' && progress.artifact !== null && truth.workOf(run)?.test === true)
          throw new Violation(invariant, 'what a test put out is told as an artifact');
      }
      if (seen.kind !== 'published') return;
      const facts = seen.verdict.predicate.quorate_verdict;
      const { level, outcome, policy, receipts } = facts;
      const work = truth.workOf(seen.run);
      if (work === undefined) return;
      if ((facts.kind === 'test') !== (work.test === true))
        throw new Violation(invariant, 'a verdict is of another kind than its job');
      // A revoked operator's receipts counted before its revocation, and do not count after it.
      if (work.test !== true || policy.cosign === 'required' || revoked) return;
      const failedIn = firstRound(facts, ({ code }) => code !== 0);
      if (level === 'failed') {
        const said = idOf(outcome);
        if (firstRound(facts, (one) => idOf(one) === said) === undefined)
          throw new Violation(invariant, 'a test has failed as fewer than N operators say');
      }
      if (failedIn === undefined) return;
      if (receipts.some(({ round }) => round > failedIn))
        throw new Violation(invariant, 'a test was asked again after N operators saw it fail');
    },
  };
}
