import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { optionalControllers, requiredControllers } from '../../../sandbox/cgroups/controllers.ts';
import { createGroup } from '../../../sandbox/cgroups/group.ts';
import { findCgroupParents, readHierarchies } from '../../../sandbox/cgroups/parents.ts';
import { limitSettings, lowPriority, withPriority } from '../../../sandbox/cgroups/settings.ts';
import { openSandbox } from '../../../sandbox/index.ts';
import { smallLimits, tempFolder } from '../../sandbox/support.ts';

const { parents, missing } = findCgroupParents(readHierarchies());

it('one folder of cgroup v2 has every controller', () => {
  expect(missing).toEqual([]);
  expect(parents).toEqual([
    { version: 2, path: expect.any(String), controllers: [...requiredControllers, ...optionalControllers] },
  ]);
});

it('the unified hierarchy offers freezing, processor time, idle priority, weights of disks and a disk beyond memory', async () => {
  const folder = await tempFolder();
  onTestFinished(folder.remove);
  const { abilities } = await openSandbox(folder.path, 'namespace');
  const all = { freeze: true, processorTime: true, idle: true, ioWeight: true, disk: true };
  expect(abilities).toEqual(all);
});

it('a group has the files of all its settings', async () => {
  const name = 'quorate-job-settings';
  const group = createGroup(
    parents,
    name,
    smallLimits,
    withPriority(limitSettings, () => lowPriority),
  );
  onTestFinished(() => group.destroy());
  const [directory = ''] = group.directories;
  const read = (file: string) => readFileSync(join(directory, file), 'utf8').trim();
  expect(read('memory.max')).toBe(String(smallLimits.memoryBytes));
  expect(read('memory.swap.max')).toBe('0');
  expect(read('memory.oom.group')).toBe('1');
  expect(read('cpu.max')).toBe('100000 100000');
  expect(read('cpu.weight')).toBe('20');
  expect(read('pids.max')).toBe(String(smallLimits.pids));
  expect(read('io.weight')).toMatch(/^default 20$/m);
  for (const file of ['cgroup.freeze', 'cgroup.kill', 'memory.events', 'cpu.stat'])
    expect(existsSync(join(directory, file)), file).toBe(true);
  expect(group.freeze(true)).toBe(true);
  expect(group.oomKills()).toBe(0);
  expect(group.usage().processorSeconds).toBe(0);
});
