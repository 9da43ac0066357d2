import type { Policy } from '../../core/documents/index.ts';
import { QuorateError } from '../../core/errors.ts';
import type { Instance, Skipped } from '../../core/pipeline/index.ts';
import type { JobSpec } from '../../jobfile/index.ts';
import type { GitTag } from '../../source/index.ts';
import { chooseJob } from '../build/job-in-tree.ts';
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
  expiresSeconds: number;
}

export interface Prepared {
  /** Full name of the branch or tag, or the ref as given. */
  ref: string;
  commit: string;
  tree: string;
  /** Where the ref is a tag. */
  tag?: GitTag;
  jobs: JobSpec[];
  chosen: JobSpec;
  /** Why the conditions of the chosen job leave it out; absent where they hold. */
  skipped?: Skipped;
}

/**
 * Plans a commit of a server (`planCommit`), and selects a job of it.
 * @throws JOB_INPUTS_UNSUPPORTED for a job with `needs`, `SOURCE_…`, `JOBFILE_…`, `PIPELINE_…`, `STORE_…`
 */
export async function prepare(options: {
  url: string;
  ref: string;
  /** What `changed` compares with, written as a ref. */
  base?: string | undefined;
  jobName?: string | undefined;
  signal: AbortSignal;
}): Promise<Prepared> {
  const { url, ref, base, signal } = options;
  const { file, plan, ...source } = await planCommit({ repository: { url }, ref, base, signal });
  const { job, instance } = chooseJob(file, options.jobName);
  checkNoNeeds(instance);
  const skipped = plan.skipped.find(({ instances }) => instances.includes(instance.name));
  return { ...source, jobs: file.jobs, chosen: job, ...(skipped && { skipped }) };
}

function checkNoNeeds({ name, needs }: Instance): void {
  if (needs.length === 0) return;
  const read = needs.map(({ instance }) => instance).join(', ');
  throw new QuorateError(
    'JOB_INPUTS_UNSUPPORTED',
    `the job ${name} reads artifacts of ${read}; no worker of this version can give it them`,
    { hint: `Build it here: quorate try --job ${name}, with --input for each of them.` },
  );
}
