import { joseVerifier } from '../identity/verifier.ts';
import type { JobFile, JobSpec } from '../jobfile/index.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { toUtf8 } from '../protocol/base/text.ts';
import {
  type Bundle,
  claimedIdOf,
  decodeJob,
  encodeJob,
  type Job,
  type OwnBundle,
  openMessage,
  type Request,
  sameValue,
  templateIdOf,
} from '../protocol/documents/index.ts';
import { jobDocument } from './job-document.ts';

/**
 * Whether the job of a verified bundle, and all that it rests on, are what a job file says, but for conditions (`if`): what is built, under
 * which policy, after which jobs. Returns their names. @throws {QuorateError} JOB_FILE_MISMATCH
 */
export async function checkJobFile(file: JobFile, bundle: Bundle): Promise<string[]> {
  const held = new Map<string, OwnBundle>([[claimedIdOf(bundle.request) ?? '', bundle]]);
  for (const input of bundle.inputs ?? []) held.set(claimedIdOf(input.request) ?? '', input);
  const names = new Set<string>();
  const open = [bundle.request];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const request = await openMessage('request', next, joseVerifier);
    const one = held.get(request.id);
    // Several jobs may rest on one.
    if (one === undefined) continue;
    held.delete(request.id);
    const { job } = decodeJob(toUtf8(one.job));
    checkOne(file, job, request.payload);
    names.add(job.name);
    for (const need of Object.values(request.payload.needs ?? {})) {
      const needed = held.get(need.request);
      if (needed !== undefined) open.push(needed.request);
    }
  }
  return [...names];
}

function checkOne({ jobs, instances }: JobFile, job: Job, { policy, needs = {} }: Request): void {
  const spec = jobs.find(({ name }) => name === job.name);
  if (spec === undefined)
    throw mismatch(job, `has no such job; it has ${jobs.map(({ name }) => name).join(', ')}`);
  if (!isOf(spec, job)) throw mismatch(job, 'says something else of what is built');
  if (!sameValue(spec.trust, policy)) throw mismatch(job, 'says another policy');
  const said = instances.find(({ name }) => name === job.name)?.needs ?? [];
  const wanted = said.map(({ instance, level }) => {
    const gate = jobs.find(({ name }) => name === instance)?.kind === 'test';
    return [instance, { level, ...(gate && { gate }) }] as const;
  });
  const asked = Object.entries(needs).map(([name, { request: _, ...need }]) => [name, need] as const);
  if (!sameValue(Object.fromEntries(wanted), Object.fromEntries(asked)))
    throw mismatch(job, 'says that it needs other jobs, or at another level');
}

const mismatch = ({ name }: Job, why: string): QuorateError =>
  new QuorateError('JOB_FILE_MISMATCH', `the evidence is about the job "${name}"; the job file ${why}`);

function isOf(spec: JobSpec, job: Job): boolean {
  const { source, git, dependencies } = job;
  const { url, commit, tree } = source;
  const asked = { repo: { url }, commit, tree, job: spec, tag: git?.tag };
  const said = jobDocument({ ...asked, dependencies: spec.dependencies && dependencies });
  return (
    sameValue(spec.dependencies ?? null, dependencies?.locks ?? null) &&
    encodeJob({ ...said, arch: job.arch }).id === templateIdOf(job)
  );
}
