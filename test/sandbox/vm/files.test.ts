import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { cpio } from '../../../sandbox/vm/cpio.ts';
import { FileCache } from '../../../sandbox/vm/file-cache.ts';
import { findKernel, kernelFacts, unpackKernel } from '../../../sandbox/vm/kernel.ts';
import { tempFolder } from '../support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
beforeAll(async () => {
  folder = await tempFolder();
});
afterAll(() => folder.remove());

describe('an archive for the kernel', () => {
  const entries = [
    { name: 'a' },
    { name: 'a/odd', content: 'xyz' },
    { name: 'a/empty', content: '' },
    { name: 'a/run', content: '#!/bin/sh\n', executable: true },
    { name: 'a/link', link: 'odd' },
  ];

  it('is read by another program as it was meant', () => {
    const there = join(folder.path, 'there');
    mkdirSync(there);
    execFileSync('busybox', ['cpio', '-i'], { cwd: there, input: cpio(entries), stdio: 'pipe' });
    expect(readdirSync(join(there, 'a')).sort()).toEqual(['empty', 'link', 'odd', 'run']);
    expect(readFileSync(join(there, 'a/link'), 'utf8')).toBe('xyz');
    expect(
      execFileSync('stat', ['-c', '%a %s', 'a', 'a/odd', 'a/empty', 'a/run'], { cwd: there }).toString(),
    ).toMatch(/^755 \d+\n644 3\n644 0\n755 10\n$/);
  });

  it('is the same bytes twice', () => {
    expect(cpio(entries).equals(cpio(entries))).toBe(true);
  });
});

describe('a kernel', () => {
  /** As a bzImage lays itself out. */
  const packed = (payload: Buffer, size = payload.length + 4): Buffer => {
    const image = Buffer.alloc(1024 + payload.length + 4);
    image.writeUInt8(1, 0x1f1);
    image.write('HdrS', 0x202, 'latin1');
    image.writeUInt32LE(size, 0x24c);
    payload.copy(image, 1024);
    return image;
  };

  it('comes out of its package as a program for the machine', () => {
    const found = findKernel();
    expect(found?.release).toMatch(/cloud-amd64$/);
    const kernel = unpackKernel(readFileSync(found?.image ?? ''), 'vmlinuz');
    expect(kernel.length).toBeGreaterThan(2 ** 24);
    expect(kernel.toString('latin1')).toContain(`Linux version ${found?.release}`);
  });

  it('is told by the version of its package and its sha256', () => {
    const found = findKernel();
    const image = readFileSync(found?.image ?? '');
    const { kernel, kernelPackage, kernelSha256 } = kernelFacts({ release: found?.release ?? '' }, image);
    expect(kernel).toBe(found?.release);
    expect(kernelPackage).toMatch(/^\d+\.\d+\.\d+-\d/);
    expect(unpackKernel(image, 'vmlinuz').toString('latin1')).toContain(` Debian ${kernelPackage} (`);
    const [sum] = execFileSync('busybox', ['sha256sum', found?.image ?? ''])
      .toString()
      .split(' ');
    expect(kernelSha256).toBe(sum);
    for (const other of [Buffer.alloc(0), Buffer.alloc(4096, 'x'), packed(Buffer.alloc(8))])
      expect(kernelFacts({ release: 'x' }, other)).toEqual({
        kernel: 'x',
        kernelSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
  });

  it('is the newest of those there are', () => {
    for (const release of ['6.9.0-cloud-amd64', '6.12.10-cloud-amd64', '6.12.9-cloud-amd64', '7.0.0-amd64']) {
      mkdirSync(join(folder.path, 'k/usr/lib/modules', release, 'kernel'), { recursive: true });
      mkdirSync(join(folder.path, 'k/boot'), { recursive: true });
      writeFileSync(join(folder.path, 'k/boot', `vmlinuz-${release}`), '');
    }
    expect(findKernel([join(folder.path, 'k')])?.release).toBe('6.12.10-cloud-amd64');
    expect(findKernel([join(folder.path, 'none')])).toBeUndefined();
  });

  const elf = zstdCompressSync(Buffer.from('\x7fELF'));
  const header = packed(elf).subarray(0, 0x260);
  const [noKernel, cut] = ['is not a Linux kernel for x86', 'is truncated'] as const;
  const [noZstd, broken] = ['is not compressed with zstd', 'cannot be unpacked'] as const;

  it.each<[string, Buffer, string]>([
    ['nothing', Buffer.alloc(0), noKernel],
    ['text', Buffer.alloc(4096, 'x'), noKernel],
    ['less than a header', header.subarray(0, -1), noKernel],
    ['a header alone', header, cut],
    ['one without its last byte', packed(elf).subarray(0, -1), cut],
    ['one with three bytes of payload', packed(Buffer.alloc(3)), cut],
    ['one with no more than the mark of zstd', packed(elf.subarray(0, 4)), broken],
    ['one with another compression', packed(Buffer.from('\x1f\x8b\x08\x00 and so on', 'latin1')), noZstd],
    ['one that is cut short', packed(elf, 1_000_000), cut],
    [
      'one with a broken payload',
      packed(Buffer.concat([zstdCompressSync(Buffer.alloc(99)).subarray(0, 8), Buffer.alloc(9)])),
      broken,
    ],
    ['one with something else inside', packed(zstdCompressSync(Buffer.from('no program'))), broken],
    [
      'a bomb',
      packed(zstdCompressSync(Buffer.concat([Buffer.from('\x7fELF'), Buffer.alloc(300 * 2 ** 20)]))),
      broken,
    ],
  ])('that is %s is refused', (_, image, why) => {
    expect(() => unpackKernel(image, 'vmlinuz')).toThrow(
      expect.objectContaining({ code: 'SANDBOX_FAILED', message: `vmlinuz ${why}` }),
    );
  });

  it('is unpacked to its last byte; one that names no sectors has four', () => {
    expect(unpackKernel(packed(elf), 'vmlinuz').toString('latin1')).toBe('\x7fELF');
    const old = Buffer.concat([
      packed(elf).subarray(0, 1024),
      Buffer.alloc(3 * 512),
      packed(elf).subarray(1024),
    ]);
    old.writeUInt8(0, 0x1f1);
    expect(unpackKernel(old, 'vmlinuz').toString('latin1')).toBe('\x7fELF');
  });

  it('is told by no version outside of the field for it', () => {
    const packageOf = (write: (image: Buffer) => unknown, bytes = 4096) => {
      const image = Buffer.alloc(bytes, 'x');
      image.writeUInt16LE(0x800, 0x20e);
      write(image);
      return kernelFacts({ release: 'x' }, image).kernelPackage;
    };
    expect(packageOf((image) => image.write(' Debian 6.1-1 ', 0xa00 + 512 - 14))).toBe('6.1-1');
    expect(packageOf((image) => image.write(' Debian 6.1-1 ', 0xa00 + 512 - 13))).toBeUndefined();
    expect(packageOf((image) => image.write(' Debian 6.1-1 ', 0x10), 0x210)).toBeUndefined();
  });
});

describe('a kept file', () => {
  it('is made once, replaces the older of its kind and is whole or not there', async () => {
    const kept = new FileCache(join(folder.path, 'kept'));
    let made = 0;
    const make = (text: string) => () => {
      made++;
      return Buffer.from(text);
    };
    const first = await kept.bytes('thing', 'aa', make('one'));
    expect(await kept.bytes('thing', 'aa', make('one'))).toBe(first);
    expect(made).toBe(1);
    await kept.bytes('other', 'aa', make('other'));
    const second = await kept.bytes('thing', 'bb', make('two'));
    expect([existsSync(first), readFileSync(second, 'utf8')]).toEqual([false, 'two']);
    const fails = kept.file('thing', 'cc', (path) => {
      writeFileSync(path, 'half');
      throw new Error('no room');
    });
    await expect(fails).rejects.toThrow('no room');
    expect(readdirSync(join(folder.path, 'kept')).sort()).toEqual(['other-aa', 'thing-bb']);
  });

  it('leaves nothing of a process that was killed while it made one, and what is made now', async () => {
    const at = join(folder.path, 'killed');
    const kept = new FileCache(at);
    const [killed, now] = ['thing-aa.part-0123456789ab', 'thing-cc.part-0123456789ab'];
    await kept.bytes('other', 'aa', () => Buffer.from('other'));
    for (const name of [killed, now]) {
      writeFileSync(join(at, name), 'half');
      mkdirSync(join(at, `${name}.tree`));
      writeFileSync(join(at, `${name}.tree`, 'file'), 'of it');
    }
    const wroteAt = 1_700_000_000;
    for (const name of [killed, `${killed}.tree`]) utimesSync(join(at, name), wroteAt, wroteAt);
    for (const name of [now, `${now}.tree`]) utimesSync(join(at, name), wroteAt + 0.001, wroteAt + 0.001);
    vi.useFakeTimers({ toFake: ['Date'], now: wroteAt * 1000 + 10 * 60_000 + 1 });
    onTestFinished(() => void vi.useRealTimers());
    await kept.bytes('other', 'aa', () => Buffer.from('other'));
    expect(readdirSync(at).sort()).toEqual(['other-aa', now, `${now}.tree`]);
    await kept.bytes('thing', 'bb', () => Buffer.from('two'));
    expect(readdirSync(at).sort()).toEqual(['other-aa', 'thing-bb', now, `${now}.tree`]);
  });
});
