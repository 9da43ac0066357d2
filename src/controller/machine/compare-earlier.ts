import { afterRepeated, type Differs } from '../../protocol/account/index.ts';
import { artifactOf } from '../../protocol/documents/index.ts';
import type { PublishedFacts, RunFacts } from './facts.ts';
import { type ControllerState, publishedOf, type Run, type Transition, tell } from './state.ts';

/** When its last verdict was told. */
export function endedAt({ history, submittedAt }: RunFacts): number {
  return history.findLast(({ progress }) => progress.kind === 'verdict')?.at ?? submittedAt;
}

/**
 * Tells how a run that was to be built again compares with the one that ended before it; where it differs from one that stands, that one is told too.
 * Called before the run counts as one of these.
 */
export function compareWithEarlier(transition: Transition, run: Run, { verdict }: PublishedFacts): void {
  const { state, now, rules } = transition;
  if (!run.request.payload.rebuild || verdict.result === null) return;
  const others = state.index.builtOf(run.jobId).flatMap((earlier) => {
    // It is among them itself where it was opened again.
    const before = earlier.id === run.id ? undefined : publishedOf(earlier)?.verdict;
    return before === undefined || before.result === null ? [] : [{ earlier, before }];
  });
  // Under the rules before, one whose verdict was void was compared with too.
  const [newest] = others;
  const found = rules < 3 ? newest : (others.find(({ earlier }) => earlier.revoked === null) ?? newest);
  if (found === undefined) return;
  const { earlier, before } = found;
  const made = (outcome: typeof before.outcome) => outcome && artifactOf(outcome);
  const [mine, theirs] = [made(verdict.outcome), made(before.outcome)];
  const same = before.result === verdict.result;
  const voided = earlier.revoked !== null;
  tell(transition, run, {
    ...{ kind: 'repeated', earlier: earlier.id, decidedAt: endedAt(earlier), same },
    ...{ artifact: mine, before: theirs },
    ...(voided && { revoked: true }),
  });
  if (same || voided || rules < 3) return;
  tell(transition, earlier, {
    ...{ kind: 'repeated', earlier: run.id, decidedAt: now, same, artifact: theirs, before: mine },
    later: true,
  });
}

/** The other run that came to something else. */
export function differsOf({ index }: ControllerState, { history }: RunFacts): Differs | undefined {
  const differs = history.reduce<Differs | undefined>(
    (known, { progress }) => afterRepeated(known, progress),
    undefined,
  );
  if (differs === undefined || index.get(differs.run)?.revoked === null) return differs;
  return { ...differs, voided: true };
}
