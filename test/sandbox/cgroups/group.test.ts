import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { costModelled, detectAbilities } from '../../../sandbox/cgroups/abilities.ts';
import { createGroup, destroyGroups } from '../../../sandbox/cgroups/group.ts';
import type { CgroupParent } from '../../../sandbox/cgroups/parents.ts';
import { limitSettings } from '../../../sandbox/cgroups/settings.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { tempFolder } from '../support.ts';

const limits = { cpus: 2, memoryBytes: 1024, diskBytes: 1, pids: 8, seconds: 1 };

/** Folders in the place of a hierarchy: the kernel's files are written as any other. */
async function group(version: 1 | 2) {
  const folder = await tempFolder();
  onTestFinished(() => folder.remove());
  const controllers = ['memory', 'cpu', 'pids', 'freezer', 'cpuacct'] as const;
  const parents: CgroupParent[] = [{ version, path: folder.path, controllers }];
  const made = createGroup(parents, 'job', limits, limitSettings);
  const directory = join(folder.path, 'job');
  const write = (file: string, text: string) => writeFileSync(join(directory, file), text);
  const read = (file: string) => readFileSync(join(directory, file), 'utf8');
  return { made, directory, parents, write, read };
}

it('a group on v2 is limited, frozen and read by the files of v2', async () => {
  const { made, directory, write, read } = await group(2);
  expect(made.directories).toEqual([directory]);
  expect(readdirSync(directory).sort()).toEqual(['cpu.max', 'memory.max', 'pids.max']);
  expect([read('memory.max'), read('pids.max'), read('cpu.max')]).toEqual(['1024', '8', '200000 100000']);
  expect(made.oomKills()).toBe(0);
  expect(made.usage()).toEqual({ memoryBytes: Number.NaN, processorSeconds: Number.NaN });
  write('memory.events', 'low 0\noom 1\noom_kill 3\noom_group_kill 1\n');
  write('memory.current', '4096\n');
  write('cpu.stat', 'usage_usec 2500000\nuser_usec 1\n');
  expect(made.oomKills()).toBe(3);
  expect(made.usage()).toEqual({ memoryBytes: 4096, processorSeconds: 2.5 });
  expect(made.freeze(true)).toBe(true);
  expect(read('cgroup.freeze')).toBe('1');
  expect(made.freeze(false)).toBe(true);
  expect(read('cgroup.freeze')).toBe('0');
  write('cgroup.kill', '');
  made.kill();
  expect(read('cgroup.kill')).toBe('1');
});

it('a group on v1 is limited, frozen and read by the files of v1', async () => {
  const { made, write, read } = await group(1);
  write('memory.oom_control', 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n');
  write('memory.usage_in_bytes', '8192\n');
  write('cpuacct.usage', '1500000000\n');
  expect(made.oomKills()).toBe(2);
  expect(made.usage()).toEqual({ memoryBytes: 8192, processorSeconds: 1.5 });
  made.freeze(true);
  expect(read('freezer.state')).toBe('FROZEN');
  made.freeze(false);
  expect(read('freezer.state')).toBe('THAWED');
  made.freeze(true);
  write('cgroup.procs', '');
  made.kill();
  expect(read('freezer.state')).toBe('THAWED');
});

it('other limits are written in either order, and those that are refused are named', async () => {
  const { made, directory, read } = await group(2);
  expect(made.limit({ ...limits, memoryBytes: 2048, pids: 9 })).toEqual([]);
  expect([read('memory.max'), read('pids.max')]).toEqual(['2048', '9']);
  rmSync(join(directory, 'pids.max'));
  // A folder cannot be written, as a limit that the kernel refuses.
  mkdirSync(join(directory, 'pids.max'));
  expect(made.limit({ ...limits, memoryBytes: 512 })).toEqual(['pids']);
  expect(read('memory.max')).toBe('512');
});

it('a group that cannot be made is refused, and nothing of it stays', async () => {
  const { parents } = await group(2);
  expect(await codeOf(() => createGroup(parents, 'job', limits, limitSettings))).toBe('SANDBOX_FAILED');
  const other = () => createGroup(parents, 'other', limits, () => [{ file: 'no/such', value: '1' }]);
  expect(await codeOf(other)).toBe('SANDBOX_FAILED');
  expect(existsSync(join(parents[0]?.path ?? '', 'other'))).toBe(false);
});

it('groups are gone when they are destroyed, also those that are there no more', async () => {
  const folder = await tempFolder();
  onTestFinished(() => folder.remove());
  const directories = ['a', 'b'].map((name) => join(folder.path, name));
  mkdirSync(join(folder.path, 'a'));
  await destroyGroups(directories);
  expect(readdirSync(folder.path)).toEqual([]);
});

it('a group that cannot be removed is named when its time is over', async () => {
  const folder = await tempFolder();
  onTestFinished(() => folder.remove());
  const [stuck, gone] = ['stuck', 'gone'].map((name) => join(folder.path, name)) as [string, string];
  mkdirSync(join(stuck, 'full'), { recursive: true });
  mkdirSync(gone);
  // Something else of the process may look at the clock too: how often it is looked at is not told.
  let looks = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => 5_000 * looks++);
  onTestFinished(() => void vi.restoreAllMocks());
  await expect(destroyGroups([stuck, gone])).rejects.toMatchObject({
    code: 'SANDBOX_CLEANUP_FAILED',
    message: expect.stringMatching(/stuck$/),
  });
  expect(existsSync(gone)).toBe(false);
});

it('settings that a kernel does not know are left out, if they may be', async () => {
  const { parents, made, directory } = await group(1);
  expect(existsSync(join(directory, 'memory.swappiness'))).toBe(false);
  writeFileSync(join(directory, 'memory.swappiness'), '60');
  expect(made.limit({ ...limits, memoryBytes: 9 })).toEqual([]);
  expect(readFileSync(join(directory, 'memory.swappiness'), 'utf8')).toBe('0');
  // Without a controller for it nothing is frozen, and no time is known.
  const bare = createGroup(
    parents.map((parent) => ({ ...parent, controllers: ['pids'] as const })),
    'bare',
    limits,
    limitSettings,
  );
  expect(bare.freeze(true)).toBe(false);
  expect([bare.oomKills(), bare.usage()]).toEqual([
    ...[0, { memoryBytes: Number.NaN, processorSeconds: Number.NaN }],
  ]);
});

it('shares of the disk are weighed only where the kernel has what weighs them', async () => {
  const folder = await tempFolder();
  onTestFinished(() => folder.remove());
  const below = join(folder.path, 'a', 'b');
  mkdirSync(below, { recursive: true });
  expect(costModelled(below)).toBe(false);
  writeFileSync(join(folder.path, 'io.cost.qos'), '254:0 enable=0 ctrl=auto\n');
  expect(costModelled(below)).toBe(false);
  writeFileSync(join(folder.path, 'io.cost.qos'), '254:0 enable=1 ctrl=auto\n');
  expect(costModelled(below)).toBe(true);
  const abilities = (...controllers: CgroupParent['controllers']) =>
    detectAbilities([{ version: 2, path: below, controllers }], 'look');
  expect(abilities()).toEqual({ freeze: false, processorTime: false, idle: false, ioWeight: false });
  expect(abilities('cpu', 'io', 'freezer')).toEqual({
    freeze: true,
    processorTime: false,
    idle: false,
    ioWeight: false,
  });
  expect(abilities('cpuacct').processorTime).toBe(true);
});
