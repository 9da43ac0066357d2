import type { ControllerState } from '../../src/controller/machine/state.ts';
import { idOf, isTrustedSlot, type Outcome, type VerdictFacts } from '../../src/protocol/documents/index.ts';
import { cosignersOf } from '../../src/protocol/judge/policy.ts';
import { type Observe, Violation } from '../observer.ts';

/** The earliest round in which N operators came to the same result, files included, of the outcomes that count. */
function firstRound(
  { receipts, policy }: VerdictFacts,
  results: ReadonlyMap<string, string>,
  counts: (outcome: Extract<Outcome, { kind: 'exit' }>) => boolean,
): number | undefined {
  const found = new Map<string, number>();
  const rounds = receipts.flatMap(({ receipt, outcome, slot, round }) => {
    if (isTrustedSlot(slot) || outcome.kind !== 'exit' || !counts(outcome)) return [];
    const key = `${round} ${results.get(receipt)}`;
    found.set(key, (found.get(key) ?? 0) + 1);
    return found.get(key) === policy.agree ? [round] : [];
  });
  return rounds.length === 0 ? undefined : Math.min(...rounds);
}

/** No test makes an artifact. A failure that N operators came to ends a test that nobody co-signs. */
export function tests(): Observe {
  let revoked = false;
  /** Result of each receipt, by the id of the receipt. */
  const results = new Map<string, string>();
  const keepResult = ({ runs }: ControllerState, receipt: string): void => {
    for (const run of runs.values())
      for (const vote of run.receipts)
        if (vote.receipt === receipt && vote.result !== null) results.set(receipt, vote.result);
  };
  return (seen, truth) => {
    if (seen.kind === 'handled') {
      if (seen.event.kind === 'revoke') revoked = true;
      for (const effect of seen.effects)
        if (effect.kind === 'reply' && effect.reply.kind === 'ack')
          keepResult(seen.state, effect.reply.ack.receipt);
    }
    if (seen.kind === 'sent' && seen.effect.kind === 'progress') {
      const { progress, run } = seen.effect;
      if (progress.kind === 'verdict' && progress.artifact !== null && truth.workOf(run)?.test === true)
        throw new Violation('what a test put out is told as an artifact');
    }
    if (seen.kind !== 'published') return;
    const facts = seen.verdict.predicate.quorate_verdict;
    const { level, outcome, policy, receipts } = facts;
    const work = truth.workOf(seen.run);
    if (work === undefined) return;
    if ((facts.kind === 'test') !== (work.test === true))
      throw new Violation('a verdict is of another kind than its job');
    // A revoked operator's receipts counted before its revocation, and do not count after it.
    if (work.test !== true || cosignersOf(policy) > 0 || revoked) return;
    const failedIn = firstRound(facts, results, ({ code }) => code !== 0);
    if (level === 'failed') {
      const said = idOf(outcome);
      if (firstRound(facts, results, (one) => idOf(one) === said) === undefined)
        throw new Violation('a test has failed as fewer than N operators say');
    }
    if (failedIn === undefined) return;
    if (receipts.some(({ round }) => round > failedIn))
      throw new Violation('a test was asked again after N operators saw it fail');
  };
}
