import { existsSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  kernelVersion,
  minimumCheck,
  packagesInstalled,
  parsePolicy,
  programVersion,
  updateCheck,
  versionChecks,
} from '../../../sandbox/versions/checks.ts';
import { compare, meetsMinimum, minimums } from '../../../sandbox/versions/minimum.ts';
import { qemuArguments } from '../../../sandbox/vm/qemu.ts';

describe('the version that a part reports', () => {
  it('is read from the words of each', () => {
    expect(programVersion('bubblewrap', 'bubblewrap 0.12.0\n').version).toEqual([0, 12, 0]);
    expect(programVersion('runsc', 'runsc version 0.0~20240729.0\nspec: 1.2.0\n').version).toEqual([
      20240729,
    ]);
    expect(programVersion('runsc', 'runsc version release-20250319.0\nspec: 1.1.0-rc.1\n').version).toEqual([
      20250319,
    ]);
    const qemu =
      'QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)\nCopyright (c) 2003-2025 Fabrice Bellard\n';
    expect(programVersion('qemu', qemu)).toEqual({
      text: 'QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0+deb13u1)',
      version: [10, 0, 13],
    });
    expect(programVersion('bubblewrap', 'bubblewrap\n').version).toBeUndefined();
  });

  it('is the release beneath a kernel of a distribution, or nothing that is compared', () => {
    const kernel = (release: string, version = '#1 SMP', signature?: string) =>
      kernelVersion({ release, version, signature }).version;
    expect(kernel('6.12.48+deb13-amd64', '#1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)')).toEqual([
      6, 12, 48,
    ]);
    expect(kernel('6.1.0-28-amd64', '#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)')).toEqual([
      6, 1, 119,
    ]);
    expect(kernel('5.15.0-91-generic', '#101-Ubuntu SMP', 'Ubuntu 5.15.0-91.101-generic 5.15.131')).toEqual([
      5, 15, 131,
    ]);
    expect(kernel('5.14.0-427.13.1.el9_4.x86_64')).toBeUndefined();
    expect(kernel('6.9.0')).toEqual([6, 9, 0]);
    expect(kernel('6.18.44-fc-v595')).toEqual([6, 18, 44]);
    expect(kernel('strange')).toBeUndefined();
  });
});

describe('the minimum', () => {
  it('is one of each branch that became good, and none of those between', () => {
    const good = [
      [5, 10, 210],
      [5, 15, 160],
      [6, 1, 76],
      [6, 7, 3],
      [6, 8, 0],
      [6, 12, 1],
      [7, 0, 0],
    ];
    const bad = [
      [5, 4, 300],
      [5, 10, 209],
      [5, 11, 22],
      [6, 1, 75],
      [6, 5, 13],
      [6, 7, 2],
      [4, 19, 0],
    ];
    expect(good.filter((version) => !meetsMinimum('kernel', version))).toEqual([]);
    expect(bad.filter((version) => meetsMinimum('kernel', version))).toEqual([]);
    expect(meetsMinimum('qemu', [10, 0, 13])).toBe(true);
    expect(meetsMinimum('qemu', [9, 1, 0])).toBe(true);
    expect(meetsMinimum('qemu', [8, 2, 3])).toBe(true);
    expect(meetsMinimum('qemu', [8, 2, 2])).toBe(false);
    expect(meetsMinimum('qemu', [7, 2, 22])).toBe(false);
    expect(meetsMinimum('bubblewrap', [0, 7, 9])).toBe(false);
    expect(meetsMinimum('bubblewrap', [0, 11, 2])).toBe(true);
    expect(meetsMinimum('runsc', [20231009])).toBe(false);
    expect(meetsMinimum('runsc', [20260101])).toBe(true);
  });

  it('of QEMU knows the machine that is pinned', () => {
    const limits = { cpus: 1, memoryBytes: 2 ** 25, diskBytes: 2 ** 22, pids: 24, seconds: 20 };
    const words = qemuArguments({ limits }, 'tcg', { jobFd: 5, onDisk: true });
    const [, major, minor] = /^pc-q35-(\d+)\.(\d+),/.exec(words[words.indexOf('-machine') + 1] ?? '') ?? [];
    const machine = [Number(major), Number(minor)];
    expect(minimums.qemu.since.filter((first) => !(compare(first, machine) >= 0))).toEqual([]);
  });

  it('has a reason, and its branches in order', () => {
    for (const { since, why } of Object.values(minimums)) {
      expect(why).toMatch(/CVE-\d{4}-\d{4,}/);
      expect([...since].sort((a, b) => Number(a[0]) - Number(b[0]) || Number(a[1]) - Number(b[1]))).toEqual(
        since,
      );
    }
  });

  it('fails what is older, with the reason and what mends it, and passes what cannot be compared', () => {
    expect(minimumCheck('runsc', { text: 'runsc version 0.0~20221219.0', version: [20221219] })).toEqual({
      name: 'runsc version',
      ok: false,
      outdated: true,
      found: expect.stringMatching(/older than 20240729: .*CVE-2023-7258/),
      fix: 'apt-get update && apt-get install -y runsc',
      package: 'runsc',
    });
    const text = '5.14.0-427.13.1.el9_4.x86_64';
    expect(minimumCheck('kernel', { text, version: undefined })).toMatchObject({
      ok: true,
      found: expect.stringContaining('not compared'),
    });
  });
});

/** As apt 3.0 prints it with LC_ALL=C. */
const policy = `bubblewrap:
  Installed: 0.11.0-2
  Candidate: 0.12.0-1~deb13u1
  Version table:
     0.12.0-1~deb13u1 500
        500 http://mirror.example/debian-security trixie-security/main amd64 Packages
     0.11.0-2+deb13u1 500
        500 http://mirror.example/debian trixie/main amd64 Packages
 *** 0.11.0-2 100
        100 /var/lib/dpkg/status
qemu-system-x86:
  Installed: 1:10.0.13+ds-0+deb13u1
  Candidate: 1:10.0.13+ds-0+deb13u1
  Version table:
 *** 1:10.0.13+ds-0+deb13u1 500
        500 http://mirror.example/debian trixie/main amd64 Packages
        100 /var/lib/dpkg/status
     1:10.0.2+ds-2+deb13u1 500
        500 http://mirror.example/debian-security trixie-security/main amd64 Packages
runsc:
  Installed: 0.0~20240729.0-4
  Candidate: 0.0~20240729.0-4+b7
  Version table:
     0.0~20240729.0-4+b7 500
        500 http://mirror.example/debian trixie/main amd64 Packages
 *** 0.0~20240729.0-4 100
        100 /var/lib/dpkg/status
linux-image-amd64:
  Installed: 6.12.118-1
  Candidate: 6.12.118-1
  Version table:
 *** 6.12.118-1 500
        500 http://mirror.example/debian-security trixie-security/main amd64 Packages
        100 /var/lib/dpkg/status
linux-image-cloud-amd64:
  Installed: (none)
  Candidate: 6.12.118-1
  Version table:
     6.12.118-1 500
        500 http://mirror.example/debian-security trixie-security/main amd64 Packages
`;

describe('the package manager’s list', () => {
  const known = parsePolicy(policy);

  it('is read for what is installed', () => {
    expect(known).toEqual([
      { name: 'bubblewrap', installed: '0.11.0-2', candidate: '0.12.0-1~deb13u1', security: true },
      {
        name: 'qemu-system-x86',
        installed: '1:10.0.13+ds-0+deb13u1',
        candidate: '1:10.0.13+ds-0+deb13u1',
        security: false,
      },
      { name: 'runsc', installed: '0.0~20240729.0-4', candidate: '0.0~20240729.0-4+b7', security: false },
      { name: 'linux-image-amd64', installed: '6.12.118-1', candidate: '6.12.118-1', security: false },
    ]);
    expect(parsePolicy('')).toEqual([]);
    expect(parsePolicy('N: Unable to locate package runsc\n')).toEqual([]);
  });

  it('fails a part with a security update, tells of others, and of what runs on after an update', () => {
    expect(updateCheck('bubblewrap', known)).toEqual([
      {
        name: 'bubblewrap updates',
        ok: false,
        outdated: true,
        found: '0.11.0-2; 0.12.0-1~deb13u1 has security updates',
        fix: 'apt-get install -y --only-upgrade bubblewrap',
      },
    ]);
    expect(updateCheck('runsc', known)).toMatchObject([
      { ok: true, found: expect.stringContaining('is available') },
    ]);
    const build = (version: string) => `#1 SMP PREEMPT_DYNAMIC Debian ${version} (2026-10-01)`;
    expect(updateCheck('kernel', known, build('6.12.117-1'))).toMatchObject([{ ok: false, fix: 'reboot' }]);
    expect(updateCheck('kernel', known, build('6.12.118-1'))).toMatchObject([{ ok: true }]);
  });

  it('is said where there is none, and fails nothing', () => {
    expect(updateCheck('runsc', undefined)).toMatchObject([
      { ok: true, found: expect.stringContaining('no apt') },
    ]);
    expect(updateCheck('runsc', [])).toMatchObject([
      { ok: true, found: expect.stringContaining('not compared') },
    ]);
  });
});

it('the cache of apt is kept for the next look, unless the system keeps it', async () => {
  const home = mkdtempSync(join(tmpdir(), 'quorate-apt-'));
  onTestFinished(() => rmSync(home, { recursive: true }));
  vi.stubEnv('HOME', home);
  onTestFinished(() => void vi.unstubAllEnvs());
  const looks = [await packagesInstalled(['bubblewrap']), await packagesInstalled(['bubblewrap'])];
  expect(looks[0]).toMatchObject([{ name: 'bubblewrap' }]);
  expect(looks[1]).toEqual(looks[0]);
  const keptBySystem = existsSync('/var/cache/apt/pkgcache.bin');
  const kept = join(home, '.cache', 'quorate', 'apt', 'pkgcache.bin');
  expect(existsSync(kept)).toBe(!keptBySystem);
  if (keptBySystem) return;
  // So cut short it kills apt, which must not be the end of the question.
  truncateSync(kept, 5_000);
  expect(await packagesInstalled(['bubblewrap'])).toEqual(looks[0]);
  expect(await packagesInstalled(['bubblewrap'])).toEqual(looks[0]);
});

it('the installed versions pass', async () => {
  const checks = await versionChecks(['kernel', 'bubblewrap', 'runsc']);
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(checks.map(({ name }) => name)).toEqual([
    ...['kernel version', 'bubblewrap version', 'runsc version'],
    ...['kernel updates', 'bubblewrap updates', 'runsc updates'],
  ]);
});
