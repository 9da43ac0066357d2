import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { messageOf } from '../../src/protocol/base/errors.ts';
import { findTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import { fileBytesFor, makeDiskFile } from './file.ts';
import { mountDisk } from './mount.ts';

/** How a tier gives builds a file of the host as their disk: mounted by root, or as a drive of a virtual machine. */
export type DiskKind = 'loop' | 'drive';

/** Whether builds can write more than their memory. */
export interface DiskAbility {
  ok: boolean;
  /** The finding, in one line: where the files lie, or why there are none and what to do. */
  found: string;
}

const inMemory = (why: string, instead: string): DiskAbility => ({
  ok: false,
  found: `builds write to memory only: ${why}. To lend disk beyond memory: ${instead}`,
});

const drive: Readonly<Record<string, string>> = { fallocate: 'util-linux', 'mkfs.ext4': 'e2fsprogs' };
const tools: Readonly<Record<DiskKind, typeof drive>> = {
  loop: { ...drive, mount: 'mount', losetup: 'mount', unshare: 'util-linux' },
  drive,
};

/** Magic numbers of file systems that are in memory themselves (statfs(2)). */
const memoryFileSystems: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

/** Makes a small disk in `folder`, and mounts it where the tier would. The caller removes the folder. Throws nothing. */
export async function diskAbility(kind: DiskKind, recordsDir: string, folder: string): Promise<DiskAbility> {
  const orVm = 'run the worker as root, or offer a tier with virtual machines';
  if (kind === 'loop' && process.getuid?.() !== 0) return inMemory('only root can mount a file', orVm);
  const missing = Object.entries(tools[kind]).find(([name]) => findTool(name) === undefined);
  if (missing !== undefined) return inMemory(`${missing[0]} is missing`, `apt-get install -y ${missing[1]}`);
  try {
    if (memoryFileSystems.has((await statfs(recordsDir)).type))
      return inMemory(`${recordsDir} lies in memory itself`, 'use a folder on a disk, with --home');
    const file = await makeDiskFile(folder, fileBytesFor(0), { file: undefined, top: 0 });
    if (kind === 'loop') {
      const { prefix, folder } = mountDisk(file);
      const [unshare = '', ...words] = [...prefix, '/bin/sh', '-c', `: > ${folder}/made`];
      await promisify(execFile)(unshare, words, { env: { LC_ALL: 'C' }, timeout: sandboxLimits.toolMs });
    }
    return { ok: true, found: `files in ${recordsDir}, of fixed size` };
  } catch (error) {
    const why = messageOf(error).trim().split('\n').at(-1) ?? '';
    return inMemory(why, 'modprobe loop; in a container, give it /dev/loop-control and loop devices');
  }
}
