import { expect, it } from 'vitest';
import { limitSettings } from '../../../sandbox/cgroups/settings.ts';

const limits = { cpus: 1.5, memoryBytes: 1000, diskBytes: 1, pids: 7, seconds: 1 };
const written = (controller: 'memory' | 'cpu' | 'pids', version: 1 | 2) =>
  limitSettings(controller, version, limits).map(({ file, value }) => `${file}=${value}`);

it('limits on v2, kills the whole group for memory and allows no swap', () => {
  expect(written('memory', 2)).toEqual(['memory.max=1000', 'memory.swap.max=0', 'memory.oom.group=1']);
  expect(written('cpu', 2)).toEqual(['cpu.max=150000 100000', 'cpu.weight=20']);
  expect(written('pids', 2)).toEqual(['pids.max=7']);
});

it('limits on v1, memory before memory and swap, which may not be lower', () => {
  expect(written('memory', 1)).toEqual([
    'memory.limit_in_bytes=1000',
    'memory.memsw.limit_in_bytes=1000',
    'memory.swappiness=0',
  ]);
  expect(written('cpu', 1)).toEqual([
    'cpu.cfs_period_us=100000',
    'cpu.cfs_quota_us=150000',
    'cpu.shares=204',
  ]);
  expect(written('pids', 1)).toEqual(['pids.max=7']);
});
