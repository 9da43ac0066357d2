import { expect, it } from 'vitest';
import { limitSettings, prioritySettings } from '../../../sandbox/cgroups/settings.ts';

const limits = { cpus: 1.5, memoryBytes: 1000, diskBytes: 1, pids: 7, seconds: 1 };
const written = (controller: 'memory' | 'cpu' | 'pids', version: 1 | 2) =>
  limitSettings(controller, version, limits).map(({ file, value }) => `${file}=${value}`);

it('limits on v2, kills the whole group for memory and allows no swap', () => {
  expect(written('memory', 2)).toEqual(['memory.max=1000', 'memory.swap.max=0', 'memory.oom.group=1']);
  expect(written('cpu', 2)).toEqual(['cpu.max=150000 100000']);
  expect(written('pids', 2)).toEqual(['pids.max=7']);
});

it('limits on v1, memory before memory and swap, which may not be lower', () => {
  expect(written('memory', 1)).toEqual([
    'memory.limit_in_bytes=1000',
    'memory.memsw.limit_in_bytes=1000',
    'memory.swappiness=0',
    'memory.kmem.tcp.limit_in_bytes=62',
  ]);
  expect(written('cpu', 1)).toEqual(['cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=150000']);
  expect(written('pids', 1)).toEqual(['pids.max=7']);
});

const priority = (controller: 'cpu' | 'io' | 'memory', version: 1 | 2, processor: 'low' | 'idle') =>
  prioritySettings(controller, version, { processor, ioWeight: 30 }).map(
    ({ file, value, optional }) => `${file}=${value}${optional === true ? '' : '!'}`,
  );

it('gives way with a fifth of the share, or with the least one and as an idle group', () => {
  expect(priority('cpu', 2, 'low')).toEqual(['cpu.idle=0', 'cpu.weight=20']);
  expect(priority('cpu', 1, 'low')).toEqual(['cpu.idle=0', 'cpu.shares=204']);
  // The kernel takes no share for a group that is idle already.
  expect(priority('cpu', 2, 'idle')).toEqual(['cpu.idle=0', 'cpu.weight=1', 'cpu.idle=1']);
  expect(priority('cpu', 1, 'idle')).toEqual(['cpu.idle=0', 'cpu.shares=2', 'cpu.idle=1']);
});

it('weighs the disks where the kernel has one of the schedulers that do', () => {
  expect(priority('io', 2, 'low')).toEqual(['io.weight=default 30', 'io.bfq.weight=30']);
  expect(priority('io', 1, 'idle')).toEqual(['blkio.bfq.weight=30']);
  expect(priority('memory', 2, 'low')).toEqual([]);
});
