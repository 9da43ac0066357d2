import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findCgroupParents, readHierarchies } from '../../../sandbox/cgroups/parents.ts';
import type { SandboxImage, SandboxJob } from '../../../sandbox/index.ts';
import { sandboxLimits } from '../../../sandbox/limits.ts';
import { guards as insideGuards } from '../../../sandbox/namespace/guards.ts';
import { processBounds } from '../../../sandbox/run/process-limits.ts';
import { TierSandbox } from '../../../sandbox/run/tier.ts';
import { FileCache } from '../../../sandbox/vm/file-cache.ts';
import { jobFiles } from '../../../sandbox/vm/job-files.ts';
import { findKernel, moduleFile } from '../../../sandbox/vm/kernel.ts';
import {
  architectureCheck,
  deviceCheck,
  kernelCheck,
  probeImage,
  vmProbe,
} from '../../../sandbox/vm/probe.ts';
import { qemuArguments } from '../../../sandbox/vm/qemu.ts';
import { sandboxedQemu } from '../../../sandbox/vm/qemu-sandbox.ts';
import { bootFiles, initramfs, vmTier } from '../../../sandbox/vm/tier.ts';
import { play, smallLimits, tempFolder } from '../support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
beforeEach(async () => {
  folder = await tempFolder();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await folder.remove();
});

const network = { socket: '/a/socket' } as SandboxJob['network'] & object;

describe('a virtual machine', () => {
  it('has the devices that its job needs, and no other', () => {
    const said = (
      job: Partial<SandboxJob> = {},
      accelerator: 'kvm' | 'tcg' = 'tcg',
      onDisk = false,
    ): string => qemuArguments({ limits: smallLimits, ...job }, accelerator, { jobFd: 9, onDisk }).join(' ');
    expect(said()).toContain('-accel tcg,thread=multi,tb-size=128');
    expect(said({}, 'kvm')).toContain('-accel kvm ');
    expect(said()).not.toMatch(/-netdev|id=disk/);
    expect(said({ network })).toContain('-netdev user,id=net');
    expect(said({}, 'tcg', true)).toContain('id=disk,format=raw');
    expect(said({ limits: { ...smallLimits, cpus: 1.5 } })).toContain('-smp 2 ');
    expect(said({ variation: { processors: 3 } })).toContain('-smp 3 ');
    // 128 MiB, a thirty-second part and the kernel.
    expect(said()).toContain('-m size=244M');
    expect(said()).toContain('socket,id=port5,fd=9');
  });

  it('is confined: its network, its account and its files', () => {
    const files = { kernel: '/k', initramfs: '/i', image: '/m' };
    const rootless = sandboxedQemu(
      { ...files, disk: undefined },
      'tcg',
      { uid: undefined, filterFd: 6, hasNetwork: false },
      ['qemu'],
    ).join(' ');
    expect(rootless).toContain(' --unshare-user --disable-userns --uid 1000 ');
    expect(rootless).toMatch(/ --unshare-net .* --seccomp 6 -- qemu$/);
    expect(rootless).not.toMatch(/setpriv|\/dev\/kvm|--bind|--cap-add/);
    const asRoot = (accelerator: 'kvm' | 'tcg') =>
      sandboxedQemu({ ...files, disk: '/d' }, accelerator, { uid: 7, filterFd: 6, hasNetwork: true }, [
        'qemu',
      ]).join(' ');
    expect(asRoot('tcg')).toMatch(
      / --bind \/d \/vm\/disk .* -- setpriv --reuid=7 --regid=7 --clear-groups .* -- qemu$/,
    );
    expect(asRoot('tcg')).not.toMatch(/--unshare-net|--unshare-user|\/dev\/kvm/);
    expect(asRoot('kvm')).toContain(' --dev-bind /dev/kvm /dev/kvm ');
    const groups = existsSync('/dev/kvm') ? `--groups=${statSync('/dev/kvm').gid}` : '--clear-groups';
    expect(asRoot('kvm')).toContain(` --regid=7 ${groups} `);
  });

  /** Files that a guest finds of its job. */
  function unpacked(archive: Buffer, at = 'job'): (name: string) => string | undefined {
    const there = join(folder.path, at);
    mkdirSync(there);
    execFileSync('busybox', ['cpio', '-i'], { cwd: there, input: archive, stdio: 'pipe' });
    return (name) => (existsSync(join(there, name)) ? readFileSync(join(there, name), 'latin1') : undefined);
  }
  const job: SandboxJob = {
    source: Readable.from([]),
    inputs: [],
    run: ['true'],
    env: {},
    outputs: ['.'],
    limits: smallLimits,
    image: {} as SandboxImage,
  };
  const mark = Buffer.from('the mark');

  it('is given the limits and the guards of its job', () => {
    const found = unpacked(jobFiles(job, insideGuards, { mark, onDisk: false, bounds: processBounds }));
    expect(['memory.max', 'cpu.max', 'pids.max'].map((name) => found(`limits/${name}`))).toEqual([
      ...[String(smallLimits.memoryBytes), '100000 100000', '32'],
    ]);
    const start = found('start') ?? '';
    expect(start.split('\n').slice(0, 4)).toEqual([
      ...['ulimit -c 0', expect.stringMatching(/^ulimit -Hn \d+$/), 'ulimit -Sn 1024', 'set --'],
    ]);
    expect(start).toContain(' --unshare-net ');
    expect(start).toContain(' --tmpfs /build ');
    expect(start).toContain(' --seccomp 5 ');
    expect([found('mark'), found('network')]).toEqual(['the mark', undefined]);
    expect(found('filter')?.length).toBeGreaterThan(100);
    expect(readdirSync(join(folder.path, 'job/over')).sort()).toEqual(['build', 'dev', 'etc', 'proc', 'tmp']);
  });

  it('is given its disk and its network where the job has them', () => {
    const guards = { ...insideGuards, seccomp: () => undefined };
    const found = unpacked(
      jobFiles({ ...job, network }, guards, { mark, onDisk: true, bounds: { openFilesMax: 100 } }),
    );
    const start = found('start') ?? '';
    expect(start).toContain(' --bind /disk /build ');
    expect(start).toContain('ulimit -Hn 100\nulimit -Sn 100\n');
    expect(start).not.toMatch(/--unshare-net|--seccomp/);
    expect([found('network'), found('filter')]).toEqual(['', '']);
  });

  it('boots with files that are made once, and again where that failed', async () => {
    let made = 0;
    const { launch, unpinned, tier } = vmTier('tcg', async () => {
      made++;
      if (made === 1) throw new Error('no files');
      return { kernel: '/k', initramfs: '/i', facts: { kernel: '6.1' } };
    });
    const image = {
      cid: 'a',
      directory: async () => '',
      erofs: async () => Promise.reject(new Error('no image')),
    };
    const launching = { directories: [], slot: 1, bounds: processBounds };
    const start = () => launch({ ...job, image }, launching);
    await expect(start()).rejects.toThrow('no files');
    expect(unpinned?.()).toEqual({});
    await expect(start()).rejects.toThrow('no image');
    await expect(start()).rejects.toThrow('no image');
    expect([made, unpinned?.(), tier]).toEqual([2, { kernel: '6.1' }, 'vm-emulated']);
    await expect(launch({ ...job, image: 'host' }, launching)).rejects.toThrow('checkJob refuses the host');
    expect(vmTier('kvm', async () => Promise.reject()).tier).toBe('vm');
  });

  it('that cannot start says so, and leaves nothing', async () => {
    const path = join(folder.path, 'no-kernel');
    writeFileSync(path, 'x'.repeat(8192), { mode: 0o644 });
    const backend = vmTier('tcg', async () => ({ kernel: path, initramfs: path, facts: {} }));
    const { parents } = findCgroupParents(readHierarchies());
    const recordsDir = join(folder.path, 'sandbox');
    const sandbox = new TierSandbox(backend, { parents, recordsDir });
    const image = { cid: 'a', directory: async () => '', erofs: async () => path };
    const limits = { diskBytes: smallLimits.memoryBytes };
    const { outcome } = await play(sandbox, ['true'], { image, limits });
    expect(outcome).toMatchObject({
      kind: 'aborted',
      reason: 'setup',
      detail: expect.stringMatching(/did not start within 180 s, 2 times\. \S/),
    });
    expect(readdirSync(recordsDir)).toEqual([]);
  });
});

describe('the files of a boot', () => {
  it('are the host’s programs and modules, each below folders that come before it', () => {
    const kernel = findKernel();
    if (kernel === undefined) throw new Error('there is no kernel');
    const names = execFileSync('busybox', ['cpio', '-t'], {
      input: initramfs(kernel),
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    })
      .trim()
      .split('\n');
    expect(names).toEqual(
      expect.arrayContaining(['init', 'bin/busybox', 'usr/bin/bwrap', 'usr/bin/setpriv']),
    );
    expect(names.filter((name) => name.startsWith('modules/always/')).length).toBeGreaterThan(2);
    expect(new Set(names).size).toBe(names.length);
    const orphans = names.filter((name, n) => {
      const parent = name.split('/').slice(0, -1).join('/');
      return parent !== '' && !names.slice(0, n).includes(parent);
    });
    expect(orphans).toEqual([]);
  });

  it('are refused with a code where there is no kernel', async () => {
    const cache = new FileCache(folder.path);
    await expect(bootFiles(cache, [])).rejects.toMatchObject({ code: 'SANDBOX_UNAVAILABLE' });
  });

  it('are made of the newest kernel', async () => {
    const cache = new FileCache(folder.path);
    const files = await bootFiles(cache);
    expect(readFileSync(files.kernel).toString('latin1', 0, 4)).toBe('\x7fELF');
    expect(readFileSync(files.initramfs).toString('latin1', 0, 6)).toBe('070701');
    expect(files.facts).toMatchObject({ kernel: findKernel()?.release });
    expect(readdirSync(folder.path)).toHaveLength(2);
  });

  it('hold a module as it is, or unpacked', () => {
    const path = join(folder.path, 'a.ko');
    expect(moduleFile(path)).toBeUndefined();
    writeFileSync(path, 'plain');
    expect(moduleFile(path)?.toString()).toBe('plain');
  });

  it('hold a small system for the probe, made once; nothing else of it is left', async () => {
    const cache = new FileCache(folder.path);
    const aborted = probeImage(cache, AbortSignal.abort());
    await expect(aborted.erofs()).rejects.toThrow();
    expect(readdirSync(folder.path)).toEqual([]);
    const image = probeImage(cache, new AbortController().signal);
    const [first, second] = [image.erofs(), image.erofs()];
    expect(first).toBe(second);
    const path = await first;
    expect(readdirSync(folder.path).map((name) => join(folder.path, name))).toEqual([path]);
    expect(readFileSync(path).includes('setpriv')).toBe(true);
    await expect(image.directory()).rejects.toThrow('EROFS only');
  });
});

describe('the probe of a virtual machine', () => {
  it('looks at what its accelerator needs', async () => {
    const names = async (accelerator: 'kvm' | 'tcg') =>
      (await vmProbe(accelerator, folder.path).lookAround()).map(({ name }) => name);
    const emulated = await names('tcg');
    expect(emulated).toEqual(expect.arrayContaining(['processor', 'mkfs.erofs', 'qemu version', 'bwrap']));
    expect(emulated.at(-1)).toBe('kernel for virtual machines');
    expect((await names('kvm')).filter((name) => !emulated.includes(name))).toEqual(['/dev/kvm']);
    expect(vmProbe('tcg', folder.path).secondsMax).toBe(sandboxLimits.emulatedProbeSecondsMax);
    expect(vmProbe('kvm', folder.path)).not.toHaveProperty('secondsMax');
  });

  it('passes a device that the account of QEMU may read and write', () => {
    vi.spyOn(process, 'getuid').mockReturnValue(0);
    const path = join(folder.path, 'kvm');
    expect(deviceCheck(path)).toMatchObject({ ok: false, found: 'missing' });
    writeFileSync(path, '');
    const modes = (...list: number[]) =>
      list.filter((mode) => {
        chmodSync(path, mode);
        return deviceCheck(path).ok;
      });
    expect(modes(0o666, 0o606, 0o660, 0o640, 0o604, 0o600)).toEqual([0o666, 0o606, 0o660]);
    expect(deviceCheck(path)).toMatchObject({ ok: false, found: expect.stringContaining('mode 600') });
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    vi.spyOn(process, 'getgroups').mockReturnValue([7]);
    expect(modes(0o666, 0o660)).toEqual([0o666]);
    vi.spyOn(process, 'getgroups').mockReturnValue([7, statSync(path).gid]);
    expect(modes(0o660, 0o640)).toEqual([0o660]);
  });

  it('names what helps where there is no kernel, or another processor', () => {
    expect(architectureCheck('x64')).toEqual({ name: 'processor', ok: true, found: 'x64' });
    expect(architectureCheck('arm64')).toMatchObject({ ok: false, fix: 'use the tier gvisor' });
    expect(kernelCheck()).toMatchObject({ ok: true, found: expect.stringMatching(/cloud-amd64$/) });
    const fix = () => kernelCheck([]).fix ?? '';
    expect(kernelCheck([]).ok).toBe(false);
    const asRoot = fix();
    vi.spyOn(process, 'getuid').mockReturnValue(process.getuid?.() === 0 ? 1000 : 0);
    const [root, user] = process.getuid?.() === 0 ? [fix(), asRoot] : [asRoot, fix()];
    expect(root).toContain('-x *.deb /var/lib/quorate/kernel)');
    expect(user).toContain('/.quorate/kernel)');
  });
});
