import { afterEach, describe, expect, it, vi } from 'vitest';
import { fileBytesFor } from '../../../sandbox/disk/file.ts';
import { mountImage } from '../../../sandbox/disk/mount.ts';
import { guards as gvisorGuards } from '../../../sandbox/gvisor/guards.ts';
import { accountPrefix, allowedProcessors, findTool, jobUid, requireTool } from '../../../sandbox/host.ts';
import { guards as namespaceGuards } from '../../../sandbox/namespace/guards.ts';
import { processorsOf } from '../../../sandbox/run/enter.ts';
import { type BuildGuards, diskFileBytes, diskShares } from '../../../sandbox/run/guards.ts';
import { firstFreeFd, firstFreeFdFor } from '../../../sandbox/run/process.ts';
import { vmGuards } from '../../../sandbox/vm/tier.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { MiB } from '../support.ts';

const limits = { cpus: 1.5, memoryBytes: 64 * MiB, diskBytes: 160 * MiB, pids: 10, seconds: 7 };

/** Limits of a job as the tier enforces them, in whole units. */
const madeOf = ({ cgroup, deadlineMs, diskFileBytes: fileBytes, outputBytesMax }: BuildGuards) => {
  const value = (controller: 'memory' | 'pids') => Number(cgroup(controller, 2, limits)[0]?.value);
  return {
    memoryMiB: value('memory') / MiB,
    pids: value('pids'),
    seconds: deadlineMs(limits) / 1000,
    diskMiB: (fileBytes(limits) ?? 0) / MiB,
    outputMiB: outputBytesMax(limits) / MiB,
  };
};

// 150 MiB of the disk are the build's folder, the rest is /dev/shm. Inodes take a sixteenth, the file system 8 MiB.
const diskMiB = Math.ceil(150 * (17 / 16) + 8);

it.each<[string, BuildGuards, object]>([
  ['namespace', namespaceGuards, { memoryMiB: 64, pids: 10, seconds: 7, diskMiB, outputMiB: 224 }],
  [
    'gvisor',
    gvisorGuards,
    // A thread for each processor and process, and an eighth more room on its disk.
    {
      memoryMiB: 160,
      pids: 256 + 30,
      seconds: 7,
      diskMiB: Math.ceil(150 * 1.125 * (17 / 16) + 8),
      outputMiB: 224,
    },
  ],
  ['vm', vmGuards('kvm'), { memoryMiB: 386, pids: 130, seconds: 7, diskMiB, outputMiB: 224 }],
  ['vm-emulated', vmGuards('tcg'), { memoryMiB: 386, pids: 130, seconds: 140, diskMiB, outputMiB: 224 }],
])('the tier %s holds a job to its limits, and adds what it takes itself', (_, guards, expected) => {
  expect(madeOf(guards)).toEqual(expected);
});

it('a virtual machine has its time to boot, and more with less than a processor', () => {
  const bootMs = (accelerator: 'kvm' | 'tcg', cpus: number) =>
    vmGuards(accelerator).bootMs({ ...limits, cpus });
  expect([bootMs('kvm', 1), bootMs('kvm', 4), bootMs('kvm', 0.5)]).toEqual([15_000, 15_000, 30_000]);
  expect([bootMs('tcg', 2), bootMs('tcg', 0.25)]).toEqual([180_000, 720_000]);
});

it('a build’s folder lies in memory where that holds it, else in a file; /dev/shm has a bound', () => {
  expect(diskFileBytes({ ...limits, diskBytes: limits.memoryBytes })).toBeUndefined();
  expect(diskFileBytes({ ...limits, diskBytes: limits.memoryBytes + 1 })).toBe(fileBytesFor(60 * MiB + 1));
  const shares = [160, 1024, 4096].map((size) => diskShares({ diskBytes: size * MiB }));
  expect(shares.map(({ shm, build }) => [shm / MiB, build / MiB])).toEqual([
    [10, 150],
    [64, 960],
    [64, 4032],
  ]);
});

describe('a build runs', () => {
  const asks = (cpus: number, processors?: number) => ({
    limits: { ...limits, cpus },
    ...(processors !== undefined && { variation: { processors } }),
  });

  it('on as many processors as it asks for, of those there are', () => {
    const all = allowedProcessors();
    expect(all).toEqual([...new Set(all)].sort((a, b) => a - b));
    expect(processorsOf(asks(0.5), 0)).toEqual([all[0]]);
    expect(processorsOf(asks(1000), 1)).toHaveLength(all.length);
    expect(processorsOf(asks(1000, 1), 0)).toEqual([all[0]]);
    expect(processorsOf(asks(1), all.length)).toEqual([all[0]]);
    expect(allowedProcessors('Name:\tx\nCpus_allowed_list:\t0-2,5,7-8\n')).toEqual([0, 1, 2, 5, 7, 8]);
    expect(allowedProcessors('')).toEqual([0]);
  });

  it('under an account of its own where its worker is root and has so many', () => {
    vi.spyOn(process, 'getuid').mockReturnValue(0);
    const map = (text: string) => jobUid(7, text);
    const [first, last] = [jobUid(0, '0 0 4294967295') ?? 0, jobUid(999_999, '0 0 4294967295') ?? 0];
    expect(last - first).toBe(999_999);
    // Above those of systemd's containers, and no program takes it for a negative number.
    expect(first).toBeGreaterThan(0x7000_0000 - 1);
    expect(last).toBeLessThan(2 ** 31);
    expect(jobUid(1_000_000, '0 0 4294967295')).toBe(first);
    expect(map(`${first + 7} 0 1`)).toBe(first + 7);
    expect(map(`${first + 8} 0 9`)).toBe(65_534);
    expect(map(`${first} 0 7`)).toBe(65_534);
    expect(map('         0     100000      65536\n')).toBe(65_534);
    expect(map(`0 0 9\n${first} 9 8\n`)).toBe(first + 7);
  });
  afterEach(() => void vi.restoreAllMocks());

  it('under the account of a worker that is not root', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    expect(jobUid(7)).toBeUndefined();
    expect(accountPrefix(undefined, '/native')).toEqual([]);
    const image = { cid: 'a', directory: async () => '/an/image', erofs: async () => '' };
    expect(await mountImage(image, undefined)).toEqual({ folder: '/an/image', prefix: [] });
  });

  it('with the programs that its host has', async () => {
    expect(findTool('sh')).toMatch(/^\/(usr\/)?bin\/sh$/);
    // A folder of programs holds files that are none.
    expect(findTool('no-such-tool')).toBeUndefined();
    expect(await codeOf(() => requireTool('no-such-tool'))).toBe('SANDBOX_UNAVAILABLE');
    expect(accountPrefix(7, '/native')).toEqual(['/native', 'enter', 'user', '7', '--']);
    expect(accountPrefix(7).slice(1)).toEqual(['--reuid=7', '--regid=7', '--clear-groups', '--']);
  });

  it('with the descriptors of its driver, below those of the tier', () => {
    expect([firstFreeFd, firstFreeFdFor({}), firstFreeFdFor({ terminal: {} as never })]).toEqual([5, 5, 7]);
  });
});
