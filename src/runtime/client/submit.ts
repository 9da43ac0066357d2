import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Policy } from '../../core/documents/index.ts';
import type { JobSpec } from '../../jobfile/index.ts';
import { resolveRef } from '../../source/index.ts';
import { openStore } from '../../store/index.ts';
import { importSource } from '../build/import-source.ts';
import { jobInTree } from '../build/job-in-tree.ts';
import { fetchableUrl } from '../build/source-url.ts';
import { makeScratch } from '../node/scratch.ts';

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
  /** Full name of the branch or tag, or the ref as given. */
  ref: string;
  commit: string;
  tree: string;
  jobs: JobSpec[];
  chosen: JobSpec;
}

/**
 * Resolves the ref, checks the commit out, reads its `quorate.yaml` and computes the CID of its tree, which each worker
 * compares with its own checkout. Runs git without a sandbox, since the user chose the server.
 * Errors: `SOURCE_…`, `JOBFILE_…`, `STORE_…`.
 */
export async function prepare(options: {
  url: string;
  ref: string;
  jobName?: string;
  signal: AbortSignal;
}): Promise<Prepared> {
  const { url, signal } = options;
  fetchableUrl(url);
  const resolved = await resolveRef(url, options.ref, { signal, seconds: 60 });
  const { commit } = resolved;
  const ref = resolved.ref ?? options.ref;
  const scratch = await makeScratch('run');
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
      const where = `commit ${commit.slice(0, 12)} of ${url}`;
      const { jobs, chosen } = await jobInTree(store, root, {
        where,
        named: (file) => `${file} at ${commit.slice(0, 12)}`,
        hint: 'Commit one ("quorate init" writes an example) and push it.',
        jobName: options.jobName,
      });
      return { ref, commit, tree: root, jobs, chosen };
    } finally {
      await store.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
