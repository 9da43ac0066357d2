import { artifactOf, type Outcome } from '../../protocol/documents/index.ts';

/** An outcome as progress tells it: a CID, `no outputs`, `exit 1`, or `aborted: …`. */
export function describeOutcome(outcome: Outcome): string {
  if (outcome.kind === 'aborted')
    return `aborted: ${outcome.reason}${outcome.detail === '' ? '' : `: ${outcome.detail}`}`;
  return outcome.code === 0 ? (outcome.artifact ?? 'no outputs') : `exit ${outcome.code}`;
}

/** The files that a failed test put out. */
export function reportsOfFailure(outcome: Outcome): { reports?: string } {
  const reports = artifactOf(outcome);
  return reports === null || (outcome.kind === 'exit' && outcome.code === 0) ? {} : { reports };
}
