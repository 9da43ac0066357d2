import { type Guards, guards } from '../../../../sandbox/namespace/guards.ts';
import { namespaceTier } from '../../../../sandbox/namespace/tier.ts';
import { nativeProgram } from '../../../../sandbox/native/index.ts';
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
  'driver’s privilege': { privileges: () => ['--cap-drop', 'ALL'], stepPrefix: () => [] },
};

const underAttack = (native: () => string | undefined): TierUnderAttack => ({
  name: 'namespace',
  kernel: 'host',
  ownMiB: 0,
  ownDevices: [],
  slower: 1,
  timeFactor: 1,
  leastCpus: 0.05,
  hasCopier: native() === undefined,
  driver: (guard) => {
    if (guard === undefined) return namespaceTier(guards, native);
    const weakened = namespaceWithout[guard];
    return weakened && namespaceTier({ ...guards, ...weakened }, native);
  },
  showing: (folder) => namespaceTier({ ...guards, files: () => ['--ro-bind', folder, '/host'] }, native),
});

export const namespaceUnderAttack = underAttack(nativeProgram);

/** As where there is no native program: tools of the host enter the sandbox, and a shell is its first process. */
export const namespaceByTools = underAttack(() => undefined);
