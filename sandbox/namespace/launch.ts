import { driverCommand } from '../build/driver.ts';
import { firstFreeFdOf, type Launched, startInGroups } from '../build/launched.ts';
import { showImage } from '../build/shown.ts';
import type { Launching } from '../build/tier.ts';
import { requireTool } from '../host.ts';
import type { SandboxJob } from '../types.ts';
import { bwrapCall } from './arguments.ts';
import type { Guards } from './guards.ts';

/** Starts bwrap. As root the way leads over an unprivileged uid, so that the build's uid 1000 is not the host's 0. */
export async function launch(
  guards: Guards,
  job: SandboxJob,
  { directories, slot }: Launching,
): Promise<Launched> {
  const uid = guards.account(slot);
  const image = job.image === 'host' ? undefined : await showImage(job.image, uid);
  const { args, data } = bwrapCall(guards, job, firstFreeFdOf(job), image?.folder);
  const drop =
    uid === undefined
      ? []
      : [requireTool('setpriv'), `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--'];
  const command = [
    ...(image?.words ?? []),
    ...[...drop, requireTool('bwrap'), ...args],
    ...['--', ...driverCommand(job, { step: guards.stepPrefix() })],
  ];
  return startInGroups({ job, directories, slot, command, data, processLimits: guards.processLimits });
}
