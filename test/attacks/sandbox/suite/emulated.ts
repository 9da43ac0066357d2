import { mkdtempSync, rmSync } from 'node:fs';
import { afterAll } from 'vitest';
import { sandboxLimits } from '../../../../sandbox/limits.ts';
import type { TierBackend } from '../../../../sandbox/run/tier.ts';
import { bootFiles, fileCacheIn, type VmGuards, vmGuards, vmTier } from '../../../../sandbox/vm/tier.ts';
import { smallImage } from '../../../sandbox/vm/image.ts';
import type { Guard, TierUnderAttack } from './arena.ts';
import { namespaceWithout } from './namespace.ts';
import { MEMORY_OF_A_CONTROL, weakenedGroups } from './weakened.ts';

const guards = vmGuards('tcg');
const groups = weakenedGroups(guards);

/** Guards from outside of the machine, alone or too; all else is held inside, by the guards of a namespace. */
const outside: Partial<Record<Guard, Partial<VmGuards>>> = {
  account: { account: () => undefined },
  cpu: groups.cpu,
  time: groups.time,
  'output size': groups['output size'],
  'disk file': groups['disk file'],
};
const inside: Partial<Record<Guard, Partial<VmGuards['inside']>>> = {
  ...namespaceWithout,
  // The guest's kernel counts sockets as memory.
  sockets: undefined,
  // It allows a process less by itself.
  'open files': undefined,
};

const folder = mkdtempSync('/var/tmp/quorate-attacked-machine-');
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let image: ReturnType<typeof smallImage> | undefined;

const machine = (weakened: Partial<VmGuards> = {}) =>
  vmTier('tcg', () => bootFiles(fileCacheIn(folder)), { ...guards, ...weakened });

/** A machine has the memory of its job: more for the job is a larger machine. */
function ofLargerMachine(driver: TierBackend): TierBackend {
  const larger = { memoryBytes: MEMORY_OF_A_CONTROL };
  return {
    ...driver,
    launch: (job, launching) => driver.launch({ ...job, limits: { ...job.limits, ...larger } }, launching),
  };
}

export const emulatedUnderAttack: TierUnderAttack = {
  name: 'vm-emulated',
  kernel: 'guest',
  hasCopier: true,
  ownMiB: 0,
  ownDevices: [],
  slower: 20,
  timeFactor: sandboxLimits.emulatedTimeFactor,
  leastCpus: 0.2,
  driver: (guard) => {
    if (guard === undefined) return machine();
    if (guard === 'memory') return ofLargerMachine(machine());
    if (outside[guard] === undefined && inside[guard] === undefined) return undefined;
    return machine({ ...outside[guard], inside: { ...guards.inside, ...inside[guard] } });
  },
  // No folder of the host's can be shown to a machine.
  showing: () => undefined,
  image: {
    cid: 'tools',
    directory: () => Promise.reject(new Error('a file system in a file only')),
    erofs: async () => {
      image ??= smallImage(folder);
      return (await image).erofs();
    },
  },
};
