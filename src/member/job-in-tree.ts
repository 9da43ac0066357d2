import {
  checkJobFileSize,
  type JobFile,
  type JobSpec,
  type JobTemplate,
  parseJobFile,
} from '../jobfile/index.ts';
import { assert, QuorateError } from '../protocol/base/errors.ts';
import { jobFileNames } from '../protocol/base/job-file-names.ts';
import type { Instance } from '../protocol/pipeline/index.ts';
import type { Store } from '../store/index.ts';

/**
 * Reads the job file of a tree in the public area. For errors, `where` names the tree and `named` a file of it; `hint` says what
 * to do if there is no job file. @throws `JOBFILE_…`, `PIPELINE_…`, `STORE_…`
 */
export async function jobFileInTree(
  store: Store,
  tree: string,
  { where, named, hint }: { where: string; named: (file: string) => string; hint: string },
): Promise<JobFile> {
  for (const file of jobFileNames) {
    const bytes = await bytesAt(store, tree, file, named(file));
    if (bytes !== undefined) return parseJobFile(new TextDecoder().decode(bytes), named(file));
  }
  throw new QuorateError('JOBFILE_NOT_FOUND', `${where} has no ${jobFileNames[0]}`, { hint });
}

/** The bytes of a job file at a path of a tree in the public area. @throws `JOBFILE_…`, `STORE_…` */
export async function jobFileBytes(
  store: Store,
  tree: string,
  path: string,
  { named, what, hint }: { named: string; what: string; hint: string },
): Promise<Uint8Array> {
  const bytes = await bytesAt(store, tree, path, named);
  if (bytes === undefined) throw new QuorateError('JOBFILE_NOT_FOUND', `there is no file ${what}`, { hint });
  return bytes;
}

/** Undefined where there is no file. */
async function bytesAt(store: Store, tree: string, path: string, named: string) {
  const entry = await store.resolve(tree, path);
  if (entry?.kind !== 'file') return undefined;
  checkJobFileSize(entry.size, named);
  return store.readBytes(entry.cid, { maxBytes: entry.size });
}

export function jobOf({ jobs }: JobFile, { name }: Pick<Instance, 'name'>): JobSpec {
  const job = jobs.find((one) => one.name === name);
  assert(job !== undefined, 'a job file has a job for each of its instances');
  return job;
}

/** The job of that name, or all combinations of one with a matrix. @throws JOBFILE_JOB_NOT_FOUND */
export function chosenJobs({ instances }: JobFile, wanted: string): Instance<JobTemplate>[] {
  const named = instances.filter(({ name }) => name === wanted);
  const meant = named.length > 0 ? named : instances.filter(({ template }) => template.name === wanted);
  if (meant.length > 0) return meant;
  throw new QuorateError('JOBFILE_JOB_NOT_FOUND', `the job file has no job "${wanted}"`, {
    hint: `It has: ${namesOf(instances)}`,
  });
}

/** The one job of a file, or the one of that name. @throws JOBFILE_JOB_NOT_FOUND */
export function chooseJob(file: JobFile, wanted: string | undefined): Instance<JobTemplate> {
  const meant = wanted === undefined ? file.instances : chosenJobs(file, wanted);
  const [instance, second] = meant;
  assert(instance !== undefined, 'a job file has a job');
  if (second === undefined) return instance;
  const says =
    wanted === undefined ? 'the job file has several jobs' : `the job "${wanted}" is several, by its matrix`;
  const hint = `Say which: --job ${instance.name} (of ${namesOf(meant)})`;
  throw new QuorateError('JOBFILE_JOB_NOT_FOUND', says, { hint });
}

const namesOf = (instances: readonly Instance[]): string => instances.map(({ name }) => name).join(', ');
