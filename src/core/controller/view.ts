import { artifactOf } from '../documents/index.ts';
import { QuorateError } from '../errors.ts';
import type { RunSummary } from '../wire/messages.ts';
import type { ControllerState, Run } from './state.ts';

const shortest = 8;

export function summaryOf(run: Run): RunSummary {
  const { repo, ref, commit, policy } = run.request.payload;
  return {
    run: run.id,
    job: run.jobId,
    name: run.job.name,
    repo,
    ref,
    commit,
    state: run.cancelled === null ? run.phase.kind : 'cancelled',
    level: run.level,
    ...(run.dispute !== null && { reason: run.dispute }),
    artifact: run.outcome === null ? null : artifactOf(run.outcome),
    submittedAt: run.submittedAt,
    round: run.rounds.length,
    policy: { agree: policy.agree, of: policy.of, cosign: policy.cosign === 'required' },
  };
}

/** Newest first. */
export function summaries(state: ControllerState, max: number): RunSummary[] {
  return [...state.runs.values()].reverse().slice(0, max).map(summaryOf);
}

/**
 * A run by its id, its job's CID or its artifact's, whole or the start of one; of several runs of a job the newest.
 * Errors: `JOB_UNKNOWN`, `JOB_AMBIGUOUS`.
 */
export function findRun(state: ControllerState, which: string): Run {
  if (which.length < shortest) {
    throw new QuorateError('JOB_UNKNOWN', `"${which}" is too short to name a job`, {
      hint: `Give ${shortest} characters at least.`,
    });
  }
  const fits = [...state.runs.values()].filter(
    (run) =>
      run.id.startsWith(which) ||
      run.jobId.startsWith(which) ||
      (run.outcome !== null && artifactOf(run.outcome)?.startsWith(which) === true),
  );
  const newest = fits.at(-1);
  if (newest === undefined) {
    throw new QuorateError('JOB_UNKNOWN', `no job here begins with ${which}`, {
      hint: 'quorate jobs lists them.',
    });
  }
  if (fits.some(({ jobId, outcome }) => jobId !== newest.jobId && outcome !== newest.outcome)) {
    throw new QuorateError('JOB_AMBIGUOUS', `${which} begins several jobs`, {
      hint: 'Give more characters.',
    });
  }
  return newest;
}
