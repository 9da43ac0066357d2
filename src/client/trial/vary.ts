import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildVariation } from '../../execution/in-sandbox.ts';
import type { Difference } from '../../store/tree-diff.ts';
import type { Trial, TrialResult } from './trial.ts';

/** A property of the environment that outputs may depend on, and how a trial varies it. */
interface Condition {
  name: string;
  says: string;
  /** Whether the profile fixes it on every worker, so that outputs that depend on it still agree. */
  pinned: boolean;
  varied: BuildVariation;
}

/** The same build again. Outputs that differ are not deterministic. */
const again: Condition = {
  name: 'again',
  says: 'nothing but the time: clock, random numbers, races',
  pinned: false,
  varied: {},
};

/** All conditions in order of trial, those that differ between workers first. `cpus` is the job's limit. */
export function conditions(cpus: number): Condition[] {
  const asked = Math.ceil(cpus);
  const other = asked > 1 ? 1 : 2;
  const pinned = (name: string, says: string, variation: BuildVariation['variation']): Condition => {
    return { name, says, pinned: true, varied: { variation } };
  };
  const order = 'folders list their files the other way round';
  const processors = `${other} processor${other > 1 ? 's' : ''}, not ${asked}`;
  return [
    { name: 'file-order', says: order, pinned: false, varied: { reversed: true } },
    ...(other > availableParallelism() ? [] : [pinned('processors', processors, { processors: other })]),
    pinned('path', 'source in /build/another-place, not /build/src', { source: 'another-place' }),
    pinned('host-name', 'host name "elsewhere", not "quorate"', { hostName: 'elsewhere' }),
    pinned('user', 'user "somebody" (1234), not "build" (1000)', {
      user: 'somebody',
      uid: 1234,
      home: 'home-of-somebody',
    }),
    pinned('umask', 'umask 077, not 022', { umask: '077' }),
    pinned('time-zone', 'TZ 14 hours east of UTC', { timeZone: 'EAST-14' }),
    pinned('language', 'LANG=C, not C.UTF-8', { language: 'C' }),
  ];
}

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
 * Repeats a build under each condition; after a difference also without one, so that files that are not deterministic are not attributed to
 * it. `again` is yielded first, and again when it finds more files.
 */
export async function* vary(
  trial: Trial,
  first: TrialResult,
  signal: AbortSignal,
): AsyncGenerator<ConditionResult> {
  const own = new Set<string>();
  const under = async (condition: Condition): Promise<ConditionResult> => {
    const { tried, differences } = await trial.compare(first, condition.varied);
    const others = differences.filter(({ path }) => !own.has(path));
    return { condition, differences: others, failed: failureOf(tried) };
  };
  const plain = async () => {
    const result = await under(again);
    for (const { path } of result.differences) own.add(path);
    return result;
  };
  await sleep(Math.max(0, apartMs - first.ms), undefined, { signal });
  yield await plain();
  for (const condition of conditions(trial.job.limits.cpus)) {
    const result = await under(condition);
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

function failureOf({ outcome }: TrialResult): string | undefined {
  if (outcome.kind === 'aborted') return `${outcome.reason}: ${outcome.detail}`;
  return outcome.code !== 0 || outcome.artifact === null ? `exit ${outcome.code}` : undefined;
}
