import { type Guards, guards } from '../../../../sandbox/namespace/guards.ts';
import { namespaceTier } from '../../../../sandbox/namespace/tier.ts';
import type { Guard, TierUnderAttack } from './arena.ts';
import { weakenedGroups } from './weakened.ts';

const nested = {
  namespaces: () => guards.namespaces().filter((argument) => argument !== '--disable-userns'),
};
const unfiltered = { seccomp: () => undefined };

export const namespaceWithout: Partial<Record<Guard, Partial<Guards>>> = {
  ...weakenedGroups(guards),
  disk: { disk: () => ['--tmpfs', '/dev/shm', '--tmpfs', '/build', '--symlink', 'build/tmp', '/tmp'] },
  'open files': { processLimits: () => ({}) },
  'core dumps': { processLimits: () => ({}) },
  'hidden files': { hidden: () => [] },
  account: { account: () => undefined },
  'call filter': unfiltered,
  'nested namespaces': nested,
  'call filter and nested namespaces': { ...unfiltered, ...nested },
  'driver’s privilege': { stepPrefix: () => [] },
};

export const namespaceUnderAttack: TierUnderAttack = {
  name: 'namespace',
  ...{ kernel: 'host', ownMiB: 0, ownDevices: [], slower: 1, timeFactor: 1, leastCpus: 0.05 },
  driver: (guard) => {
    if (guard === undefined) return namespaceTier();
    const weakened = namespaceWithout[guard];
    return weakened && namespaceTier({ ...guards, ...weakened });
  },
  showing: (folder) => namespaceTier({ ...guards, files: () => ['--ro-bind', folder, '/host'] }),
};
