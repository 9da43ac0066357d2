import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Policy } from '../core/documents/index.ts';
import { QuorateError } from '../core/errors.ts';
import { checkJobFileSize, type JobSpec, parseJobFile } from '../jobfile/index.ts';
import { resolveRef } from '../source/index.ts';
import { openStore } from '../store/index.ts';
import { importSource } from './import-source.ts';

export interface SubmitOptions {
  repo: { url: string; ref: string };
  commit: string;
  /** CID of the checked-out tree. */
  tree: string;
  job: JobSpec;
  policy: Policy;
  expiresSeconds: number;
}

export interface Prepared {
  /** The full name of the branch or tag, where there is one. */
  ref: string;
  commit: string;
  tree: string;
  jobs: JobSpec[];
  chosen: JobSpec;
}

const fileName = 'quorate.yaml';

/**
 * Resolves the ref once, checks the commit out, reads its `quorate.yaml` and pins the CID of the tree: what every worker
 * must find. Errors: `SOURCE_…`, `JOBFILE_…`, `STORE_…`.
 */
export async function prepare(options: {
  url: string;
  ref: string;
  jobName?: string;
  signal: AbortSignal;
}): Promise<Prepared> {
  const { url, signal } = options;
  const resolved = await resolveRef(url, options.ref, { signal, seconds: 60 });
  const { commit } = resolved;
  const ref = resolved.ref ?? options.ref;
  const scratch = await mkdtemp(join(tmpdir(), 'quorate-run-'));
  try {
    const store = await openStore({ dir: join(scratch, 'store') });
    try {
      const { root } = await importSource(store, {
        url,
        commit,
        ref,
        dir: scratch,
        into: store.public,
        signal,
      });
      const entry = await store.resolve(root, fileName);
      if (entry?.kind !== 'file') {
        throw new QuorateError('JOBFILE_NONE', `commit ${commit.slice(0, 12)} of ${url} has no ${fileName}`, {
          hint: `Commit one ("quorate init" writes an example) and push it.`,
        });
      }
      const named = `${fileName} at ${commit.slice(0, 12)}`;
      checkJobFileSize(entry.size, named);
      const bytes = await store.readBytes(entry.cid, { maxBytes: entry.size });
      const { jobs } = parseJobFile(new TextDecoder().decode(bytes), named);
      return { ref, commit, tree: root, jobs, chosen: choose(jobs, options.jobName) };
    } finally {
      await store.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function choose(jobs: JobSpec[], name: string | undefined): JobSpec {
  const names = jobs.map((job) => job.name).join(', ');
  const [first, second] = name === undefined ? jobs : jobs.filter((job) => job.name === name);
  if (first === undefined)
    throw new QuorateError('JOBFILE_NO_SUCH_JOB', `${fileName} has no job "${name ?? ''}"`, {
      hint: `It has: ${names}`,
    });
  if (second !== undefined)
    throw new QuorateError('JOBFILE_SEVERAL_JOBS', `${fileName} has several jobs`, {
      hint: `Say which: --job ${first.name} (of ${names})`,
    });
  return first;
}
