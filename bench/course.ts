import type { Prepared } from '../src/member/submit.ts';
import type { Progress } from '../src/protocol/wire/progress.ts';
import { emptyJob, LiveProject, volunteers } from '../test/e2e/support/live-project.ts';
import { endAll } from '../test/e2e/support/processes.ts';
import makeProgram from '../test/support/make-program.ts';
import type { Bench } from './run.ts';

/** A project of processes, which end with the suite. */
export async function openProject(
  bench: Bench,
  signal: AbortSignal,
  jobFile = emptyJob,
): Promise<LiveProject> {
  makeProgram();
  bench.after(endAll);
  const project = await LiveProject.open(jobFile, signal);
  bench.after(() => project.client.close());
  return project;
}

/** Submits a commit so many times before it follows the first of them. */
export async function crowdOf(
  project: LiveProject,
  count: number,
  commit: Prepared,
  signal: AbortSignal,
): Promise<void> {
  const runs: string[] = [];
  while (runs.length < count) runs.push((await project.submit(commit)).run);
  for (const run of runs) await project.trusted(run, signal);
}

/** When a run got where, in ms after it was submitted. */
export interface Course {
  accepted: number;
  leased: number;
  allLeased: number;
  began: number;
  allBegan: number;
  delivered: number;
  agreed: number;
  trusted: number;
}

/** Submits a run and follows it until it is trusted. */
export async function course(project: LiveProject, commit: Prepared, signal: AbortSignal): Promise<Course> {
  const started = performance.timeOrigin + performance.now();
  const { run } = await project.submit(commit);
  const at = new Map<string, number[]>();
  const note = (what: string, when: number): unknown =>
    at.set(what, [...(at.get(what) ?? []), when - started]);
  for await (const { at: when, progress } of project.client.follow(run, signal)) {
    note(milestone(progress), when);
    if (progress.kind === 'verdict' && progress.level === 'trusted') break;
  }
  for await (const { slot, text } of project.client.logs(run, { follow: false, signal })) {
    const [, nanoseconds] = /began=(\d+)/.exec(text) ?? [];
    if (slot !== 'trusted' && nanoseconds !== undefined) note('began', Number(nanoseconds) / 1e6);
  }
  const first = (what: string): number => at.get(what)?.[0] ?? Number.NaN;
  const last = (what: string): number => Math.max(...(at.get(what) ?? [Number.NaN]));
  const began = at.get('began') ?? [];
  if (began.length !== volunteers.length) throw new Error(`${began.length} builds said when they began`);
  return {
    accepted: first('accepted'),
    leased: first('leased'),
    allLeased: last('leased'),
    began: Math.min(...began),
    allBegan: Math.max(...began),
    delivered: last('delivered'),
    agreed: first('agreed'),
    trusted: first('trusted'),
  };
}

function milestone(progress: Progress): string {
  switch (progress.kind) {
    case 'verdict':
      return progress.level;
    case 'leased':
    case 'delivered':
      return progress.slot === 'trusted' ? `${progress.kind} trusted` : progress.kind;
    default:
      return progress.kind;
  }
}
