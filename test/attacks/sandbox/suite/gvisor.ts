import { type GvisorGuards, guards } from '../../../../sandbox/gvisor/guards.ts';
import { gvisorTier } from '../../../../sandbox/gvisor/tier.ts';
import { sandboxLimits } from '../../../../sandbox/limits.ts';
import { nativeProgram } from '../../../../sandbox/native/index.ts';
import { profileValues } from '../../../../sandbox/run/profile.ts';
import type { Guard, TierUnderAttack } from './arena.ts';
import { DISK_OF_A_CONTROL, weakenedGroups } from './weakened.ts';

const groups = weakenedGroups(guards);

const without: Partial<Record<Guard, Partial<GvisorGuards>>> = {
  memory: groups.memory,
  cpu: groups.cpu,
  processes: { ...groups.processes, processes: () => [] },
  time: groups.time,
  'output size': groups['output size'],
  disk: {
    disk: (job, pins) =>
      guards.disk(job, pins).map((mount) => ({
        ...mount,
        options: (mount.options ?? []).filter((option) => !option.startsWith('size=')),
      })),
  },
  'disk file': {
    ...groups['disk file'],
    disk: (job, pins, store) => guards.disk({ ...job, diskBytes: DISK_OF_A_CONTROL }, pins, store),
  },
  'open files': {
    processes: (...held) => guards.processes(...held).filter(({ type }) => type !== 'RLIMIT_NOFILE'),
  },
  'call filter': { seccomp: () => undefined },
  'call filter and nested namespaces': { seccomp: () => undefined },
  'driver’s privilege': {
    driver: () => ({
      user: { uid: profileValues.uid, gid: profileValues.uid },
      capabilities: { bounding: [], effective: [], permitted: [], inheritable: [] },
      noNewPrivileges: true,
    }),
    stepPrefix: () => ['env'],
  },
};

export const gvisorUnderAttack: TierUnderAttack = {
  name: 'gvisor',
  kernel: 'gVisor',
  hasCopier: nativeProgram() === undefined,
  ownMiB: sandboxLimits.gvisorMemoryBytes / 2 ** 20,
  ownDevices: ['fuse', 'tun'],
  slower: 10,
  timeFactor: 1,
  leastCpus: 0.05,
  driver: (guard) => {
    if (guard === undefined) return gvisorTier();
    const weakened = without[guard];
    return weakened && gvisorTier({ ...guards, ...weakened });
  },
  showing: (folder) => gvisorTier({ ...guards, files: () => ['--ro-bind', folder, '/job/root/host'] }),
};
