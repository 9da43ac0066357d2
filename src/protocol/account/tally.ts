import type { Progress } from '../wire/progress.ts';
import type { RunSummary } from '../wire/runs.ts';

export type Tally = NonNullable<RunSummary['tally']>;
export type Differs = NonNullable<RunSummary['differs']>;

const abortedCharsMax = 500;

/** Counts of outcomes, by operator, after one more event; undefined before the first results are revealed. */
export function afterTally(known: Tally | undefined, progress: Progress): Tally | undefined {
  switch (progress.kind) {
    case 'inputs':
    case 'reopened':
      return undefined;
    case 'revealed': {
      // The trusted worker's, by itself.
      if (progress.results.some(({ slot }) => slot === 'trusted')) return known;
      const of = (wanted: RegExp) =>
        new Set(progress.results.flatMap(({ operator, result }) => (wanted.test(result) ? [operator] : [])));
      const ended = of(/^(?!aborted: )/).size;
      const aborted = abortedIn(progress.results) ?? known?.aborted;
      return {
        ended: Math.max(ended, known?.ended ?? 0),
        failed: of(/^exit [1-9]/).size,
        ...(aborted !== undefined && { aborted }),
      };
    }
    case 'agreed':
      return { ended: 0, failed: 0, ...known, same: new Set(progress.by).size };
    case 'failed':
      return { ended: 0, ...known, failed: new Set(progress.by).size };
    default:
      return known;
  }
}

/** Why builds were aborted: the first reason, and how many others there are. */
function abortedIn(results: Extract<Progress, { kind: 'revealed' }>['results']): string | undefined {
  const reasons = new Set(
    results.flatMap(({ result }) =>
      result.startsWith('aborted: ') ? [result.slice('aborted: '.length)] : [],
    ),
  );
  const [first, ...others] = reasons;
  if (first === undefined) return undefined;
  const more =
    others.length === 0 ? '' : `; and ${others.length} other ${others.length === 1 ? 'reason' : 'reasons'}`;
  return `${first.slice(0, abortedCharsMax - more.length)}${more}`;
}

/** The other run of the same job that came to something else, after one more event of a run. */
export function afterRepeated(known: Differs | undefined, progress: Progress): Differs | undefined {
  if (progress.kind === 'reopened' || progress.kind === 'inputs') return undefined;
  if (progress.kind !== 'repeated' || progress.same || progress.revoked === true) return known;
  const { earlier, later, artifact, before } = progress;
  return { run: earlier, ...(later === true && { later }), made: artifact, other: before };
}

/** Whether a run that was built again came to something else than one that stands: the owner is alarmed, once for the two of them. */
export const isAlarmingRepeat = ({
  same,
  later,
  revoked,
}: Extract<Progress, { kind: 'repeated' }>): boolean => !same && later !== true && revoked !== true;
