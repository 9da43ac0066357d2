import { setTimeout as sleep } from 'node:timers/promises';
import type { Difference } from '../../store/index.ts';
import { again, type Condition, conditions } from './conditions.ts';
import type { Trial, TrialResult } from './trial.ts';

/** The outputs under one condition, compared with the first build. */
export interface ConditionResult {
  condition: Condition;
  /** Files that the condition changes, without those that are not deterministic. */
  differences: Pick<Difference, 'path' | 'change'>[];
  /** Why the build has no outputs; undefined if it has. */
  failed: string | undefined;
}

/** Minimum time between two builds, so that a clock with a resolution of 1 s differs. */
const apartMs = 1_100;

/**
 * Repeats a build under each condition. After a difference it is also repeated without a condition, so that files that are not
 * deterministic are not attributed to it. `again` is yielded first, and again when it finds more files.
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

const differs = ({ differences, failed }: ConditionResult): boolean =>
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
  return outcome.code !== 0 || outcome.artifact === null ? `exit ${outcome.code}` : undefined;
}
