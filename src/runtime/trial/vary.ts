import { setTimeout as sleep } from 'node:timers/promises';
import type { Difference } from '../../store/index.ts';
import { again, type Condition, conditions } from './conditions.ts';
import type { Trial, TrialResult } from './trial.ts';

/** What became of the outputs under one condition. */
export interface ConditionResult {
  condition: Condition;
  /** Of the files, those that it changes: not those that differ on their own. */
  differences: Pick<Difference, 'path' | 'change'>[];
  /** Why there are no outputs, where there are none under it. */
  failed: string | undefined;
}

/** A clock that is asked for seconds has gone on by then. */
const apartMs = 1_100;

/**
 * Builds what was built once more for each condition, and once more as it was wherever something differs, so that no
 * condition is blamed for what differs on its own. `again` comes first, and again when more is found out about it.
 */
export async function* vary(
  trial: Trial,
  first: TrialResult,
  signal: AbortSignal,
): AsyncGenerator<ConditionResult> {
  const own = new Set<string>();
  const plain = async (): Promise<ConditionResult> => {
    const result = await resultOf(trial, first, again, own);
    for (const { path } of result.differences) own.add(path);
    return result;
  };
  await sleep(Math.max(0, apartMs - first.ms), undefined, { signal });
  yield await plain();
  for (const condition of conditions(trial.job.limits.cpus)) {
    const result = await resultOf(trial, first, condition, own);
    if (!differs(result)) {
      yield result;
      continue;
    }
    const control = await plain();
    if (differs(control)) yield control;
    yield {
      ...result,
      differences: result.differences.filter(({ path }) => !own.has(path)),
      failed: control.failed === undefined ? result.failed : undefined,
    };
  }
}

export const differs = ({ differences, failed }: ConditionResult): boolean =>
  differences.length > 0 || failed !== undefined;

async function resultOf(
  trial: Trial,
  first: TrialResult,
  condition: Condition,
  without: ReadonlySet<string>,
): Promise<ConditionResult> {
  const { tried, differences } = await trial.compare(first, condition.varied);
  return {
    condition,
    differences: differences.filter(({ path }) => !without.has(path)),
    failed: failureOf(tried),
  };
}

function failureOf({ outcome }: TrialResult): string | undefined {
  if (outcome.kind === 'aborted') return `${outcome.reason}: ${outcome.detail}`;
  return outcome.artifact === null ? `exit ${outcome.code}` : undefined;
}
