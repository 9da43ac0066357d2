import { lockFilesInTree } from '../execution/lock-files.ts';
import type { JobFile, JobSpec, JobTemplate } from '../jobfile/index.ts';
import { assert } from '../protocol/base/errors.ts';
import type { Job, Policy, PushWords, Recipe, Request } from '../protocol/documents/index.ts';
import type { Instance, Skipped } from '../protocol/pipeline/index.ts';
import type { GitTag } from '../source/index.ts';
import type { Store } from '../store/index.ts';
import { chosenJobs, jobOf } from './job-in-tree.ts';
import { type PlannedCommit, type PlanOptions, planCommit } from './plan.ts';

export interface SubmitOptions {
  repo: { url: string; ref: string };
  commit: string;
  tree: string;
  /** The tag that was asked for, for a job with a git folder. */
  tag?: GitTag;
  job: JobSpec;
  policy: Policy;
  /** The job file, where that is not the source's own `quorate.yaml`. */
  recipe?: Recipe | undefined;
  /** Dependencies that it installs from; the controller has them by now (`Client.bring`). */
  dependencies?: Job['dependencies'] | undefined;
  /** Runs whose artifacts it reads, by the name of the input. */
  needs?: Request['needs'] | undefined;
  /** It is built, whatever evidence of the same job there is. */
  rebuild?: boolean;
  expiresSeconds: number;
  /** Of the push that it belongs to. */
  words?: PushWords | undefined;
  /** Makes the same request each time it is submitted, which is one run. Absent: it is another one each time. */
  stamp?: { jti: string; iat: number } | undefined;
}

export interface PlannedJob {
  instance: Instance<JobTemplate>;
  job: JobSpec;
}

export interface Prepared extends Omit<PlannedCommit, 'file' | 'plan'> {
  /** Those that are published, each after those it needs. */
  jobs: PlannedJob[];
  /** Those that were asked for and that conditions leave out. */
  skipped: Skipped[];
  /** The lock files of its jobs, by path; those that the tree has. */
  lockFiles: ReadonlyMap<string, Uint8Array>;
}

/** Plans a commit of a server, and selects what is published, with its lock files: all jobs, or one with all that it needs. */
export async function prepare({
  url,
  jobName,
  ...options
}: Omit<PlanOptions, 'repository' | 'read'> & {
  url: string;
  jobName?: string | undefined;
}): Promise<Prepared> {
  const { signal } = options;
  let prepared: Prepared | undefined;
  const read = async (store: Store, { file, plan, ...source }: PlannedCommit): Promise<void> => {
    const wanted = jobName === undefined ? undefined : withNeeds(file, chosenJobs(file, jobName));
    const asked = (name: string) => wanted === undefined || wanted.has(name);
    const jobs = plan.instances
      .filter(({ name }) => asked(name))
      .map((instance) => ({ instance, job: jobOf(file, instance) }));
    const lockFiles = new Map<string, Uint8Array>();
    for (const { job } of jobs)
      for (const file of await lockFilesInTree(store, source.tree, job.dependencies ?? [], { signal }))
        lockFiles.set(...file);
    const skipped = plan.skipped.filter(({ instances }) => instances.some(asked));
    prepared = { ...source, jobs, skipped, lockFiles };
  };
  await planCommit({ repository: { url }, ...options, read });
  assert(prepared !== undefined, 'a commit that was planned was read');
  return prepared;
}

/** The names of these instances and of all that they need, directly or not. */
function withNeeds({ instances }: JobFile, chosen: readonly Instance[]): Set<string> {
  const found = new Set(chosen.map(({ name }) => name));
  // Each comes after those it needs.
  for (const { name, needs } of instances.toReversed())
    if (found.has(name)) for (const { instance } of needs) found.add(instance);
  return found;
}
