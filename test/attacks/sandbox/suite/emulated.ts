import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type VmGuards, vmGuards } from '../../../../sandbox/vm/guards.ts';
import { machineMemoryBytes } from '../../../../sandbox/vm/machine.ts';
import { bootFiles, keptIn, vmTier } from '../../../../sandbox/vm/tier.ts';
import { toolImage } from '../../../sandbox/vm/image.ts';
import type { Guard, TierUnderAttack } from './arena.ts';
import { namespaceWithout } from './namespace.ts';
import { weakenedGroups } from './weakened.ts';

const guards = vmGuards('tcg');
const groups = weakenedGroups(guards);

/** What is held from outside of the machine; all else is held inside of it, by the guards of a namespace. */
const outside: Partial<Record<Guard, Partial<VmGuards>>> = {
  time: groups.time,
  'output size': groups['output size'],
};

const folder = mkdtempSync(join(tmpdir(), 'quorate-attacked-machine-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let image: ReturnType<typeof toolImage> | undefined;

const machine = (weakened: Partial<VmGuards> = {}) =>
  vmTier('tcg', () => bootFiles(keptIn(folder)), { ...guards, ...weakened });

const limits = { cpus: 1, memoryBytes: 2 ** 27, diskBytes: 2 ** 25, pids: 32, seconds: 20 };

export const emulatedUnderAttack: TierUnderAttack = {
  name: 'vm-emulated',
  ...{ sharesKernel: false, ownMiB: (machineMemoryBytes(limits) - limits.memoryBytes) / 2 ** 20 },
  ...{ ownDevices: [], slower: 20 },
  driver: (guard) => {
    if (guard === undefined) return machine();
    const around = outside[guard];
    if (around !== undefined) return machine(around);
    const inside = namespaceWithout[guard];
    return inside && machine({ inside: { ...guards.inside, ...inside } });
  },
  // No folder of the host's can be shown to a machine.
  showing: () => undefined,
  image: {
    cid: 'tools',
    directory: () => Promise.reject(new Error('a file system in a file only')),
    erofs: async () => {
      image ??= toolImage(folder);
      return (await image).erofs();
    },
  },
};
