import { hostArch } from '../execution/host-arch.ts';
import { sandboxProfile } from '../protocol/base/sandbox-profile.ts';
import type { Job, Request } from '../protocol/documents/index.ts';
import type { SubmitOptions } from './submit.ts';

/** The job, or the template of a job that reads artifacts, as it is published from this host. */
export function jobDocument(
  of: Pick<SubmitOptions, 'commit' | 'tree' | 'tag' | 'job' | 'dependencies'> & { repo: { url: string } },
): Job {
  const { repo, commit, tree, tag, job, dependencies } = of;
  return {
    v: 1,
    name: job.name,
    ...(job.kind !== undefined && { kind: job.kind }),
    source: { url: repo.url, commit, tree },
    image: job.image,
    arch: hostArch,
    inputs: {},
    run: job.run,
    env: job.env,
    outputs: job.outputs,
    limits: job.limits,
    ...(job.network !== undefined && { network: job.network }),
    ...(job.git && { git: tag === undefined ? {} : { tag } }),
    ...(dependencies !== undefined && { dependencies }),
    profile: sandboxProfile,
    cids: 'unixfs-v1-2025+x',
  };
}

/** Needs as a request names them; undefined without any. `runs`: those that stand for the jobs needed, by name. */
export function needsOf(
  needs: readonly { instance: string; level: 'agreed' | 'trusted' }[],
  runs: ReadonlyMap<string, { run: string; test: boolean }>,
): Request['needs'] {
  if (needs.length === 0) return undefined;
  return Object.fromEntries(
    needs.map(({ instance, level }) => {
      const { run = '', test = false } = runs.get(instance) ?? {};
      return [instance, { request: run, level, ...(test && { gate: true as const }) }];
    }),
  );
}
