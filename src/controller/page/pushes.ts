import type { ProjectView, RunSummary } from '../node/project-view.ts';

/** A commit that was published, and its jobs. */
export interface PushView {
  ref: string;
  commit: string;
  submittedAt: number;
  jobs: RunSummary[];
}

/** The latest runs by what was pushed, the newest first. */
export function pushesOf(view: ProjectView): PushView[] {
  const pushes = new Map<string, PushView>();
  for (const run of view.runs({}).runs) {
    const { ref, commit, submittedAt } = run;
    const key = `${ref} ${commit}`;
    const push = pushes.get(key) ?? { ref, commit, submittedAt, jobs: [] };
    pushes.set(key, push);
    if (push.jobs.every(({ name }) => name !== run.name)) push.jobs.unshift(run);
  }
  return [...pushes.values()];
}
