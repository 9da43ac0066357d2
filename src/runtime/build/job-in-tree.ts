import { QuorateError } from '../../core/errors.ts';
import { checkJobFileSize, type JobSpec, parseJobFile } from '../../jobfile/index.ts';
import type { Store } from '../../store/index.ts';

export const jobFileName = 'quorate.yaml';
/** Names that a tree may have it under, the first of them first. */
const fileNames = [jobFileName, 'quorate.yml'];

/**
 * Reads the job file of a tree in the public area and selects a job. For errors, `where` names the tree and `named` a file of it;
 * `hint` says what to do if there is no job file. @throws `JOBFILE_…`, `STORE_…`
 */
export async function jobInTree(
  store: Store,
  tree: string,
  {
    where,
    named,
    hint,
    jobName,
  }: { where: string; named: (file: string) => string; hint: string; jobName: string | undefined },
): Promise<{ jobs: JobSpec[]; chosen: JobSpec }> {
  for (const file of fileNames) {
    const entry = await store.resolve(tree, file);
    if (entry?.kind !== 'file') continue;
    checkJobFileSize(entry.size, named(file));
    const bytes = await store.readBytes(entry.cid, { maxBytes: entry.size });
    const { jobs } = parseJobFile(new TextDecoder().decode(bytes), named(file));
    return { jobs, chosen: choose(jobs, jobName) };
  }
  throw new QuorateError('JOBFILE_NOT_FOUND', `${where} has no ${jobFileName}`, { hint });
}

function choose(jobs: JobSpec[], name: string | undefined): JobSpec {
  const names = jobs.map((job) => job.name).join(', ');
  const [first, second] = name === undefined ? jobs : jobs.filter((job) => job.name === name);
  if (first === undefined)
    throw new QuorateError('JOBFILE_JOB_NOT_FOUND', `${jobFileName} has no job "${name ?? ''}"`, {
      hint: `It has: ${names}`,
    });
  if (second !== undefined)
    throw new QuorateError('JOBFILE_JOB_AMBIGUOUS', `${jobFileName} has several jobs`, {
      hint: `Say which: --job ${first.name} (of ${names})`,
    });
  return first;
}
