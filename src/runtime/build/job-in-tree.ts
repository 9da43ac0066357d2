import { QuorateError } from '../../core/errors.ts';
import type { Instance } from '../../core/pipeline/index.ts';
import {
  checkJobFileSize,
  type JobFile,
  type JobSpec,
  type JobTemplate,
  parseJobFile,
} from '../../jobfile/index.ts';
import type { Store } from '../../store/index.ts';

const jobFileName = 'quorate.yaml';
/** Names that a tree may have it under, the first of them first. */
const fileNames = [jobFileName, 'quorate.yml'];

/**
 * Reads the job file of a tree in the public area. For errors, `where` names the tree and `named` a file of it; `hint` says what
 * to do if there is no job file. @throws `JOBFILE_…`, `PIPELINE_…`, `STORE_…`
 */
export async function jobFileInTree(
  store: Store,
  tree: string,
  { where, named, hint }: { where: string; named: (file: string) => string; hint: string },
): Promise<JobFile> {
  for (const file of fileNames) {
    const entry = await store.resolve(tree, file);
    if (entry?.kind !== 'file') continue;
    checkJobFileSize(entry.size, named(file));
    const bytes = await store.readBytes(entry.cid, { maxBytes: entry.size });
    return parseJobFile(new TextDecoder().decode(bytes), named(file));
  }
  throw new QuorateError('JOBFILE_NOT_FOUND', `${where} has no ${jobFileName}`, { hint });
}

/**
 * The one job of a file, or the one of that name; the name of a job with a matrix stands for it where it comes to one job.
 * @throws JOBFILE_JOB_NOT_FOUND, JOBFILE_JOB_AMBIGUOUS
 */
export function chooseJob(
  { jobs, instances }: JobFile,
  wanted: string | undefined,
): { job: JobSpec; instance: Instance<JobTemplate> } {
  const named = instances.filter(({ name }) => wanted === undefined || name === wanted);
  const meant = named.length > 0 ? named : instances.filter(({ template }) => template.name === wanted);
  const [instance, second] = meant;
  const names = (of: readonly Instance<JobTemplate>[]) => of.map(({ name }) => name).join(', ');
  if (instance !== undefined && second !== undefined) {
    throw new QuorateError(
      'JOBFILE_JOB_AMBIGUOUS',
      wanted === undefined
        ? `${jobFileName} has several jobs`
        : `the job "${wanted}" is several, by its matrix`,
      { hint: `Say which: --job ${instance.name} (of ${names(meant)})` },
    );
  }
  const job = jobs.find(({ name }) => name === instance?.name);
  if (instance === undefined || job === undefined)
    throw new QuorateError('JOBFILE_JOB_NOT_FOUND', `${jobFileName} has no job "${wanted ?? ''}"`, {
      hint: `It has: ${names(instances)}`,
    });
  return { job, instance };
}
