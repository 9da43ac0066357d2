import { artifactOf } from '../documents/index.ts';
import type { PublishedFacts, RunFacts } from './facts.ts';
import { publishedOf, type Run, type Transition, tell } from './state.ts';

/** When its last verdict was told. */
export function endedAt({ history, submittedAt }: RunFacts): number {
  return history.findLast(({ progress }) => progress.kind === 'verdict')?.at ?? submittedAt;
}

/** Tells how a run that was to be built again compares with the one that ended before it. Called before the run counts as one of these. */
export function compareWithEarlier(transition: Transition, run: Run, { verdict }: PublishedFacts): void {
  const { index } = transition.state;
  if (!run.request.payload.rebuild || verdict.result === null) return;
  for (const earlier of index.builtOf(run.jobId)) {
    const before = publishedOf(earlier)?.verdict;
    // It is among them itself where it was opened again.
    if (earlier.id === run.id || before === undefined || before.result === null) continue;
    const made = (outcome: typeof before.outcome) => outcome && artifactOf(outcome);
    return tell(transition, run, {
      kind: 'repeated',
      earlier: earlier.id,
      decidedAt: endedAt(earlier),
      same: before.result === verdict.result,
      artifact: made(verdict.outcome),
      before: made(before.outcome),
    });
  }
}
