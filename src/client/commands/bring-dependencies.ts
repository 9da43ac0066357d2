import type { JobSpec } from '../../jobfile/index.ts';
import type { Client } from '../../member/client.ts';
import type { Prepared } from '../../member/submit.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { Job } from '../../protocol/documents/index.ts';
import type { Context } from '../../terminal/context.ts';
import { TransferRow } from '../../terminal/transfer-row.ts';
import { DependenciesShown } from './dependency-progress.ts';

/** The dependencies to publish a job with. */
export type DependenciesOf = (job: JobSpec) => Job['dependencies'] | undefined;

/**
 * Fetches what the lock files of jobs demand, but of `kept` ones, and has the controller take it over. `close` removes it.
 * @throws {QuorateError} `LOCK_…`, `DEPENDENCIES_…`
 */
export async function bringDependencies(
  { out, home, env }: Context,
  client: Client,
  { jobs, lockFiles }: Pick<Prepared, 'jobs' | 'lockFiles'>,
  {
    kept,
    allowPrivate,
    signal,
  }: { kept: (job: string) => boolean; allowPrivate: boolean; signal: AbortSignal },
): Promise<{ of: DependenciesOf; close(): Promise<void> }> {
  const wanting = jobs.filter(({ job }) => job.dependencies !== undefined && !kept(job.name));
  if (wanting.length === 0) return { of: () => undefined, close: async () => {} };
  const { fetchTrees } = await import('../../member/dependencies.ts');
  const shown = new DependenciesShown(out);
  const fetched = await fetchTrees(
    wanting.map(({ job }) => job),
    lockFiles,
    { ...{ home, env, allowPrivate, signal }, onProgress: shown.progress },
  ).finally(() => shown.end());
  try {
    for (const tree of fetched.trees) {
      const row = new TransferRow(out);
      const says = `sending dependencies ${escapeLine(tree, 100)}`;
      await client
        .bring(fetched.store, tree, (bytes, total) => row.set(says, bytes, total))
        .finally(() => row.end());
    }
    return fetched;
  } catch (error) {
    await fetched.close();
    throw error;
  }
}
