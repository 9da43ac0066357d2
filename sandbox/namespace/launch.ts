import { driverCommand } from '../build/driver.ts';
import { mountImage } from '../build/image-mount.ts';
import { type BuildProcess, firstFreeFdFor, startInCgroups } from '../build/process.ts';
import type { LaunchContext } from '../build/tier.ts';
import { mountDisk } from '../disk/mount.ts';
import { accountPrefix, requireTool } from '../host.ts';
import type { SandboxJob } from '../types.ts';
import { bwrapCall } from './arguments.ts';
import type { Guards } from './guards.ts';

/** Starts bwrap. A root worker switches to an unprivileged uid first, so that the build's uid is not root on the host. */
export async function launch(
  guards: Guards,
  job: SandboxJob,
  { directories, slot, makeDisk }: LaunchContext,
): Promise<BuildProcess> {
  const uid = guards.account(slot);
  const image = job.image === 'host' ? undefined : await mountImage(job.image, uid);
  const disk = makeDisk && mountDisk(await makeDisk({ file: undefined, top: uid ?? 0 }));
  const places = { root: image?.folder, disk: disk?.folder };
  const { args, data } = bwrapCall(guards, job, firstFreeFdFor(job), places);
  const command = [
    ...[...(image?.prefix ?? []), ...(disk?.prefix ?? [])],
    ...[...accountPrefix(uid), requireTool('bwrap'), ...args],
    ...['--', ...driverCommand(job, { step: guards.stepPrefix() })],
  ];
  return startInCgroups({ job, directories, slot, command, data, processLimits: guards.processLimits });
}
