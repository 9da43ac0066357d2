import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { PackFiles } from '../../src/store/pack-files.ts';
import { folder } from './support.ts';

/** Packs 1 to `count`, each of `size` equal bytes. */
async function packs(count: number, size = 8): Promise<PackFiles> {
  const dir = await folder();
  for (let n = 1; n <= count; n++) writeFileSync(join(dir, `${n}.car`), new Uint8Array(size).fill(1));
  const files = new PackFiles(dir);
  onTestFinished(() => files.close());
  return files;
}

/** Packs that this process has open. */
function openIn(dir: string): number {
  const targets = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return [];
    }
  });
  return targets.filter((target) => target.startsWith(`${dir}/`)).length;
}

describe('the packs of a store', () => {
  it('are kept open, the 64 that were used last', async () => {
    const files = await packs(70);
    for (let n = 1; n <= 64; n++) await files.size(n);
    expect(openIn(files.dir)).toBe(0);
    for (let n = 1; n <= 64; n++) await files.read(n, 0, 1);
    await expect.poll(() => openIn(files.dir)).toBe(64);
    for (let n = 65; n <= 70; n++) await files.read(n, 0, 1);
    await expect.poll(() => openIn(files.dir)).toBe(64);
    await files.close();
    await expect.poll(() => openIn(files.dir)).toBe(0);
  });

  it('stay open while they are used, however many', async () => {
    const files = await packs(70);
    const { promise, resolve } = Promise.withResolvers<void>();
    const uses = Array.from({ length: 70 }, (_, n) => files.use(n + 1, () => promise));
    await expect.poll(() => openIn(files.dir)).toBe(70);
    resolve();
    await Promise.all(uses);
  });

  it('are closed when they are removed, after those that read them', async () => {
    const files = await packs(1);
    const { promise, resolve } = Promise.withResolvers<void>();
    const use = files.use(1, () => promise);
    await expect.poll(() => openIn(files.dir)).toBe(1);
    await files.remove(1);
    expect(readdirSync(files.dir)).toEqual([]);
    expect(openIn(files.dir)).toBe(1);
    resolve();
    await use;
    await expect.poll(() => openIn(files.dir)).toBe(0);
    expect(await files.read(1, 0, 1)).toBeUndefined();
  });

  it('that are not there are told from those that cannot be read', async () => {
    const files = await packs(1);
    expect(await files.use(2, async () => 1)).toBeUndefined();
    expect(await files.read(2, 0, 20_000)).toBeUndefined();
    const failure = Object.assign(new Error('a bad sector'), { code: 'EIO' });
    await expect(files.use(1, () => Promise.reject(failure))).rejects.toBe(failure);
  });
});

it('a small block whose disk fails is told, and read anew the next time', async () => {
  const files = await packs(1);
  const failure = Object.assign(new Error('a bad sector'), { code: 'EIO' });
  vi.spyOn(files, 'use').mockRejectedValueOnce(failure);
  await expect(files.read(1, 0, 1)).rejects.toBe(failure);
  expect(await files.read(1, 0, 1)).toEqual(Buffer.of(1));
});

/** A reader of small blocks, and whether what it gets is read from the disk now. */
async function windows(count: number) {
  const size = 200_000;
  const files = await packs(count, size);
  const change = (pack: number) => writeFileSync(files.path(pack), new Uint8Array(size).fill(2));
  const isFresh = async (pack: number, at: number, bytes = 1) =>
    (await files.read(pack, at, bytes))?.[0] === 2;
  return { files, change, isFresh };
}

describe('small blocks', () => {
  it('are read with the 64 KiB from the first on', async () => {
    const { files, change, isFresh } = await windows(1);
    await files.read(1, 100, 1);
    change(1);
    expect(await isFresh(1, 100)).toBe(false);
    expect(await isFresh(1, 100 + 65_535)).toBe(false);
    expect(await isFresh(1, 99)).toBe(true);
    expect(await isFresh(1, 100 + 65_536)).toBe(true);
  });

  it('are those of up to 16 KiB', async () => {
    const { files, change, isFresh } = await windows(1);
    await files.read(1, 0, 1);
    change(1);
    expect(await isFresh(1, 0, 16_384)).toBe(false);
    expect(await isFresh(1, 0, 16_385)).toBe(true);
  });

  it('share sixteen windows, of which the oldest is given up', async () => {
    const { files, change, isFresh } = await windows(17);
    for (let n = 1; n <= 16; n++) {
      await files.read(n, 0, 1);
      change(n);
    }
    expect(await isFresh(1, 0)).toBe(false);
    await files.read(17, 0, 1);
    expect(await isFresh(2, 0)).toBe(false);
    expect(await isFresh(1, 0)).toBe(true);
  });

  it('are read anew after a cut', async () => {
    const { files, change, isFresh } = await windows(1);
    await files.read(1, 0, 1);
    change(1);
    await files.cut(1, 150_000);
    expect(await files.size(1)).toBe(150_000);
    expect(await isFresh(1, 0)).toBe(true);
  });
});
