import { mountDisk, mountImage } from '../disk/mount.ts';
import { accountPrefix, requireTool } from '../host.ts';
import { nativeProgram } from '../native/index.ts';
import { driverCommand } from '../run/driver.ts';
import { type BuildProcess, firstFreeFdFor, selfFd, startInCgroups } from '../run/process.ts';
import type { LaunchContext, TierBackend } from '../run/tier.ts';
import type { SandboxJob } from '../types.ts';
import { bwrapCall } from './arguments.ts';
import { type Guards, guards as productGuards } from './guards.ts';

/**
 * Starts bwrap. A root worker switches to an unprivileged uid first, so that the build's uid is not root on the host.
 * `program`: the native one, if there is one.
 */
async function launch(
  guards: Guards,
  program: string | undefined,
  job: SandboxJob,
  { directories, slot, bounds, makeDisk }: LaunchContext,
): Promise<BuildProcess> {
  const uid = guards.account(slot);
  const image = job.image === 'host' ? undefined : await mountImage(job.image, uid, program);
  const disk = makeDisk && mountDisk(await makeDisk({ file: undefined, top: uid ?? 0 }));
  const places = { root: image?.folder, disk: disk?.folder };
  const { args, data } = bwrapCall(guards, job, firstFreeFdFor(job), places);
  const first =
    program === undefined
      ? driverCommand(job, { step: guards.stepPrefix() })
      : [`/proc/self/fd/${selfFd(job, data)}`, 'first'];
  const command = [
    ...[...(image?.prefix ?? []), ...(disk?.prefix ?? [])],
    ...[...accountPrefix(uid, program), requireTool('bwrap'), ...args, '--', ...first],
  ];
  const limits = guards.processLimits(bounds);
  return startInCgroups({ job, directories, slot, command, data, limits, native: program });
}

/** The tier `namespace`: bubblewrap, a seccomp filter and cgroups. Builds share the host's kernel. `native`: finds the native program. */
export function namespaceTier(
  guards: Guards = productGuards,
  native: () => string | undefined = nativeProgram,
): TierBackend {
  return {
    tier: 'namespace',
    hostImage: true,
    disk: 'loop',
    guards,
    waits: () => native() !== undefined,
    launch: (job, launching) => launch(guards, native(), job, launching),
  };
}
