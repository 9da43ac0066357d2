import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseHierarchies } from '../../../sandbox/cgroups/controllers.ts';
import { findCgroupParents } from '../../../sandbox/cgroups/parents.ts';
import { tempFolder } from '../support.ts';

const mount = (root: string, at: string, type: string, options: string) =>
  `31 23 0:28 ${root} ${at} rw,nosuid shared:9 - ${type} ${type} ${options}`;

describe('where controllers live', () => {
  it('is read from pure v2', () => {
    const info = mount('/', '/sys/fs/cgroup', 'cgroup2', 'rw,nsdelegate');
    expect(parseHierarchies(info, '0::/user.slice/a.scope\n')).toEqual({
      v1: {},
      v2: { version: 2, mount: '/sys/fs/cgroup', own: '/sys/fs/cgroup/user.slice/a.scope' },
    });
  });

  it('is read from hybrid, co-mounted controllers and escaped paths included', () => {
    const info = [
      mount('/', '/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'),
      mount('/', '/mnt/a\\040b', 'cgroup', 'rw,memory'),
      mount('/', '/sys/fs/cgroup/unified', 'cgroup2', 'rw'),
    ].join('\n');
    const found = parseHierarchies(info, '4:memory:/x\n3:cpu,cpuacct:/\n0::/\n');
    expect(found.v1.cpu?.own).toBe('/sys/fs/cgroup/cpu,cpuacct');
    expect(found.v1.memory?.own).toBe('/mnt/a b/x');
    expect(found.v1.pids).toBeUndefined();
    expect(found.v2?.own).toBe('/sys/fs/cgroup/unified');
  });

  it('stays within what a container was given', () => {
    const info = mount('/docker/1', '/sys/fs/cgroup/pids', 'cgroup', 'rw,pids');
    expect(parseHierarchies(info, '8:pids:/docker/1/a\n').v1.pids?.own).toBe('/sys/fs/cgroup/pids/a');
    expect(parseHierarchies(info, '8:pids:/docker/1\n').v1.pids?.own).toBe('/sys/fs/cgroup/pids');
    expect(parseHierarchies(info, '8:pids:/docker/12\n').v1.pids?.own).toBe('/sys/fs/cgroup/pids');
    expect(parseHierarchies(info, '8:pids:/../x\n').v1.pids?.own).toBe('/sys/fs/cgroup/pids');
  });
});

describe('the place for a job’s group', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  beforeEach(async () => {
    folder = await tempFolder();
  });
  afterEach(() => folder.remove());

  /** Plain files stand in for the kernel's: what is tested is which group is chosen and what is written there. */
  async function group(path: string, controllers: string, enabled: string): Promise<string> {
    const directory = join(folder.path, path);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'cgroup.procs'), '');
    await writeFile(join(directory, 'cgroup.controllers'), controllers);
    await writeFile(join(directory, 'cgroup.subtree_control'), enabled);
    return directory;
  }

  it('is the nearest group that offers all of them', async () => {
    await group('.', 'cpu memory pids io', 'memory pids');
    const slice = await group('slice', 'cpu memory pids', 'memory');
    const own = await group('slice/own', 'memory', '');
    const found = findCgroupParents({ v1: {}, v2: { version: 2, mount: folder.path, own } });
    expect(found).toEqual({
      parents: [{ version: 2, path: slice, controllers: ['memory', 'cpu', 'pids', 'freezer', 'cpuacct'] }],
      missing: [],
    });
    expect(await readFile(join(slice, 'cgroup.subtree_control'), 'utf8')).toBe('+cpu +pids');
  });

  it('is split when v1 has one and v2 the others', async () => {
    const own = await group('v2', 'cpu pids', 'cpu pids');
    const memory = await group('v1', '', '');
    const found = findCgroupParents({
      v1: { memory: { version: 1, mount: memory, own: memory } },
      v2: { version: 2, mount: own, own },
    });
    // Where all are enabled nothing is written.
    expect(await readFile(join(own, 'cgroup.subtree_control'), 'utf8')).toBe('cpu pids');
    expect(found.parents).toEqual([
      { version: 1, path: memory, controllers: ['memory'] },
      { version: 2, path: own, controllers: ['cpu', 'pids', 'freezer', 'cpuacct'] },
    ]);
  });

  it('is also one where jobs can be stopped and their time is counted, wherever that is', async () => {
    const own = await group('v2', '', '');
    const [limits, freezer] = [await group('limits', '', ''), await group('freezer', '', '')];
    const at = (mount: string) => ({ version: 1 as const, mount, own: mount });
    const found = findCgroupParents({
      v1: { memory: at(limits), cpu: at(limits), pids: at(limits), freezer: at(freezer) },
      v2: { version: 2, mount: own, own },
    });
    expect(found.parents).toEqual([
      { version: 1, path: limits, controllers: ['memory', 'cpu', 'pids'] },
      { version: 1, path: freezer, controllers: ['freezer'] },
      { version: 2, path: own, controllers: ['cpuacct'] },
    ]);
  });

  it('is not on v2 where v1 has all of them', async () => {
    const [one, own] = [await group('v1', '', ''), await group('v2', 'io', '')];
    const at = { version: 1 as const, mount: one, own: one };
    const v1 = { memory: at, cpu: at, pids: at, freezer: at, cpuacct: at, io: at };
    const found = findCgroupParents({ v1, v2: { version: 2, mount: own, own } });
    expect(found).toEqual({
      parents: [{ version: 1, path: one, controllers: Object.keys(v1) }],
      missing: [],
    });
    const { io: _, ...others } = v1;
    const both = findCgroupParents({ v1: others, v2: { version: 2, mount: own, own } });
    expect(both.parents[1]).toEqual({ version: 2, path: own, controllers: ['io'] });
    await writeFile(join(own, 'cgroup.controllers'), 'cpu');
    expect(findCgroupParents({ v1: others, v2: { version: 2, mount: own, own } }).parents).toHaveLength(1);
  });

  it('is none that may not be written, nor above the mount', async () => {
    const own = await group('mount/own', 'cpu memory pids', '');
    const mount = join(folder.path, 'mount');
    await group('.', 'cpu memory pids', '');
    await rm(join(own, 'cgroup.procs'));
    const found = findCgroupParents({ v1: {}, v2: { version: 2, mount, own } });
    expect([found.parents, found.missing.length]).toEqual([[], 3]);
    expect(found.missing[0]?.why).toContain('delegated');
    const at = { version: 1 as const, mount: own, own };
    const onV1 = findCgroupParents({ v1: { memory: at, cpu: at, pids: at }, v2: undefined });
    expect(onV1.missing.map(({ why }) => why)).toEqual(
      Array(3).fill(expect.stringContaining('not writable')),
    );
  });

  it('is missing, by name, where nothing holds a controller: never a job without its limit', async () => {
    const own = await group('own', 'memory pids', '');
    const found = findCgroupParents({ v1: {}, v2: { version: 2, mount: own, own } });
    expect(found.parents).toEqual([]);
    expect(found.missing.map(({ controller }) => controller)).toEqual(['memory', 'cpu', 'pids']);
    expect(findCgroupParents({ v1: {}, v2: undefined }).missing[0]?.why).toContain('no cgroup file system');
  });
});
