import { hostArch } from '../execution/host-arch.ts';
import { sandboxProfile } from '../protocol/base/sandbox-profile.ts';
import type { Job } from '../protocol/documents/index.ts';
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
