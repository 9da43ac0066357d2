import { driverCommand } from '../run/driver.ts';
import type { ProcessBounds } from '../run/process-limits.ts';
import { profileOf, profilePath } from '../run/profile.ts';
import { hostArch } from '../seccomp/syscalls.ts';
import type { SandboxJob } from '../types.ts';
import { type GvisorGuards, storedAnnotations } from './guards.ts';
import type { OciConfig, OciMount } from './oci.ts';

/** runsc adds a /sys and a /tmp unless the configuration has a mount there; a mount of an unknown type it ignores. */
const absent = (destination: string): OciMount => ({ destination, type: 'quorate-absent' });

/**
 * The OCI configuration of a job: the driver, on the root file system that runsc finds at `root`; what it writes in a file
 * below `store`. `native`: the first process is the native program, which runsc is given as an open file (`--exec-fd`).
 */
export function ociConfig(
  guards: GvisorGuards,
  job: SandboxJob,
  settings: {
    root: string;
    network: 'none' | 'host';
    store?: string | undefined;
    bounds: ProcessBounds;
    native: boolean;
  },
): OciConfig {
  const { root, network, store, bounds, native } = settings;
  const pins = profileOf(job);
  const prefix = guards.stepPrefix(pins);
  const seccomp = guards.seccomp(hostArch);
  const disk = guards.disk(job.limits, pins, store);
  // 'host' is the network namespace of runsc itself, which belongs to the job already.
  const namespaces = ['pid', 'ipc', 'uts', 'mount', ...(network === 'host' ? [] : ['network'])];
  const stored = store === undefined ? undefined : disk.find(({ source }) => source === store);
  return {
    ociVersion: '1.0.0',
    process: {
      ...guards.driver(),
      args: native ? ['quorate-native', 'first'] : driverCommand(job, { step: prefix, files: prefix }),
      env: [`PATH=${profilePath}`],
      cwd: '/build',
      rlimits: guards.processes(job.limits, bounds),
    },
    root: { path: root, readonly: true },
    hostname: pins.hostName,
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs' },
      ...disk,
      absent('/sys'),
      absent('/tmp'),
    ],
    ...(stored && { annotations: storedAnnotations(stored) }),
    linux: {
      namespaces: namespaces.map((type) => ({ type })),
      ...(seccomp === undefined ? {} : { seccomp }),
    },
  };
}
