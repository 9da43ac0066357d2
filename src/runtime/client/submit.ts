import type { Policy, Request } from '../../core/documents/index.ts';
import { QuorateError } from '../../core/errors.ts';
import type { Instance, Skipped } from '../../core/pipeline/index.ts';
import type { JobFile, JobSpec, JobTemplate } from '../../jobfile/index.ts';
import type { GitTag } from '../../source/index.ts';
import { chosenJobs, jobOf } from '../build/job-in-tree.ts';
import { planCommit } from './plan.ts';

export interface SubmitOptions {
  repo: { url: string; ref: string };
  commit: string;
  /** CID of the checked-out tree. */
  tree: string;
  /** The tag that was asked for, for a job with a git folder. */
  tag?: GitTag;
  job: JobSpec;
  policy: Policy;
  /** Whose artifacts it reads, by the name of the input. */
  needs?: Request['needs'];
  /** It is built, whatever evidence of the same job there is. */
  rebuild?: boolean;
  expiresSeconds: number;
}

/** A job that is to be published. */
export interface PlannedJob {
  instance: Instance<JobTemplate>;
  job: JobSpec;
}

export interface Prepared {
  /** Full name of the branch or tag, or the ref as given. */
  ref: string;
  commit: string;
  tree: string;
  /** Where the ref is a tag. */
  tag?: GitTag;
  /** Those that are published, each after those it needs. */
  jobs: PlannedJob[];
  /** Those that were asked for and that conditions leave out. */
  skipped: Skipped[];
}

/**
 * Plans a commit of a server (`planCommit`), and selects what is published: all jobs, or one with all that it needs.
 * @throws `SOURCE_…`, `JOBFILE_…`, `PIPELINE_…`, `STORE_…`
 */
export async function prepare(options: {
  url: string;
  ref: string;
  /** What `changed` compares with, written as a ref. */
  base?: string | undefined;
  jobName?: string | undefined;
  signal: AbortSignal;
}): Promise<Prepared> {
  const { url, ref, base, signal, jobName } = options;
  const { file, plan, ...source } = await planCommit({ repository: { url }, ref, base, signal });
  const wanted = jobName === undefined ? undefined : withNeeds(file, chosenJobs(file, jobName));
  const asked = (name: string) => wanted === undefined || wanted.has(name);
  const jobs = plan.instances
    .filter(({ name }) => asked(name))
    .map((instance) => ({ instance, job: jobOf(file, instance) }));
  refuseDependencies(jobs);
  return { ...source, jobs, skipped: plan.skipped.filter(({ instances }) => instances.some(asked)) };
}

function refuseDependencies(jobs: readonly PlannedJob[]): void {
  const named = jobs.find(({ job }) => job.dependencies !== undefined);
  if (named === undefined) return;
  const { name, dependencies } = named.job;
  throw new QuorateError(
    'DEPENDENCIES_LOCAL_ONLY',
    `the job ${name} has dependencies (${dependencies?.join(', ')}), which no worker gets`,
    { hint: 'Build it here: quorate try. For workers, put what it installs into an image: quorate image.' },
  );
}

/** The names of these instances and of all that they need, directly or not. */
function withNeeds({ instances }: JobFile, chosen: readonly Instance[]): Set<string> {
  const found = new Set(chosen.map(({ name }) => name));
  // Each comes after those it needs.
  for (const { name, needs } of instances.toReversed())
    if (found.has(name)) for (const { instance } of needs) found.add(instance);
  return found;
}
