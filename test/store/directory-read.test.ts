import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type { Blockstore } from 'interface-blockstore';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { readDirectory } from '../../src/store/directory-read.ts';
import { fingerprintOf } from '../../src/store/fingerprint.ts';
import { readTar } from '../../src/store/tar-read.ts';
import { MemoryBlocks } from '../fuzz/targets/blocks.ts';
import { folder, noiseBytes, tar } from './support.ts';

const MiB = 1024 * 1024;
const bounds = { maxBytes: 64 * MiB, maxEntries: 100 };

/** A folder with one file; `change` is called with its path between the look at it and its opening. */
async function changing(bytes: number, change: (file: string) => void): Promise<string> {
  const dir = await folder();
  const file = join(dir, 'file');
  writeFileSync(file, noiseBytes(bytes));
  const open = files.open;
  vi.spyOn(files, 'open').mockImplementation(async (path, ...more) => {
    if (path === file) change(file);
    return open(path, ...more);
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  });
  return dir;
}

it.each(['none', 'file'])('a folder that is none is not read: %s', async (name) => {
  const dir = await folder();
  writeFileSync(join(dir, 'file'), 'x');
  const read = readDirectory(join(dir, name), new MemoryBlocks(), bounds);
  await expect(read).rejects.toMatchObject({ code: 'STORE_NOT_A_FOLDER' });
});

it('of listed paths those that are there are read, as far as they are', async () => {
  const dir = await folder();
  mkdirSync(join(dir, 'd/.git'), { recursive: true });
  mkdirSync(join(dir, '.git'));
  for (const path of ['d/a', 'd/b', 'd/.git/c', '.git/d', 'e']) writeFileSync(join(dir, path), path);
  const read = async (more: { only?: string[]; git?: boolean }) =>
    (await readDirectory(dir, new MemoryBlocks(), { ...bounds, ...more })).files.map(({ path }) => path);
  expect(await read({ only: ['d/b', 'd/none', 'none', 'e/f', 'e'] })).toEqual(['d/b', 'e']);
  expect(await read({ only: ['e/f', 'd'] })).toEqual([]);
  expect(await read({})).toEqual(['d/.git/c', 'd/a', 'd/b', 'e']);
  expect(await read({ git: true })).toEqual(['.git/d', 'd/.git/c', 'd/a', 'd/b', 'e']);
});

describe('a file that is stored', () => {
  it.each([0, 1, 65_536, 65_537, MiB - 1, MiB, MiB + 1, 2 * MiB, 2 * MiB + 1])(
    'of %i bytes is the same in a folder, in an archive and by itself',
    async (bytes) => {
      const dir = await folder();
      const content = noiseBytes(bytes);
      writeFileSync(join(dir, 'file'), content);
      const { root, files: found, bytes: all } = await readDirectory(dir, new MemoryBlocks(), bounds);
      const archive = await tar([{ name: 'file', body: content }]);
      const unpacked = await readTar(archive, new MemoryBlocks(), bounds);
      expect(`${unpacked.root}`).toBe(`${root}`);
      const alone = await fingerprintOf(join(dir, 'file'));
      expect(alone).toMatchObject({ kind: 'file', bytes });
      expect(found).toEqual([{ path: 'file', sha256: 'sha256' in alone ? alone.sha256 : '', size: bytes }]);
      expect(all).toBe(bytes);
    },
  );

  const sizes = [100_000, 2.5 * MiB];
  it.each(sizes)('of %i bytes is refused where it grows before it is read', async (bytes) => {
    const dir = await changing(bytes, (file) => appendFileSync(file, 'x'));
    await expect(readDirectory(dir, new MemoryBlocks(), bounds)).rejects.toMatchObject({
      code: 'STORE_FILE_CHANGED',
    });
  });

  it.each(sizes)('of %i bytes is refused where it is cut', async (bytes) => {
    const dir = await changing(bytes, (file) => truncateSync(file, bytes - 1));
    await expect(readDirectory(dir, new MemoryBlocks(), bounds)).rejects.toMatchObject({
      code: 'STORE_FILE_CHANGED',
    });
  });

  it.each(sizes)(
    'of %i bytes is refused where it is cut and written again while it is read',
    async (bytes) => {
      let path = '';
      const dir = await changing(bytes, (file) => {
        path = file;
        truncateSync(file, bytes / 5);
      });
      const handle = await files.open(dir);
      const methods = Object.getPrototypeOf(handle);
      await handle.close();
      const { read } = methods;
      vi.spyOn(methods, 'read').mockImplementation(async function (this: unknown, ...asked: unknown[]) {
        const got = await read.apply(this, asked);
        if (got.bytesRead === 0) truncateSync(path, bytes);
        return got;
      });
      await expect(readDirectory(dir, new MemoryBlocks(), bounds)).rejects.toMatchObject({
        code: 'STORE_FILE_CHANGED',
      });
    },
  );

  it.each(sizes)('of %i bytes is refused where another one takes its place', async (bytes) => {
    const dir = await changing(bytes, (file) => {
      copyFileSync(file, `${file}.new`);
      renameSync(`${file}.new`, file);
    });
    await expect(readDirectory(dir, new MemoryBlocks(), bounds)).rejects.toMatchObject({
      code: 'STORE_FILE_CHANGED',
    });
  });

  it.each(sizes)('of %i bytes is refused where it is removed', async (bytes) => {
    const dir = await changing(bytes, (file) => rmSync(file));
    await expect(readDirectory(dir, new MemoryBlocks(), bounds)).rejects.toMatchObject({
      code: 'STORE_FILE_UNREADABLE',
    });
  });

  it('is read no further than it was long, however it grows', async () => {
    const dir = await folder();
    const file = join(dir, 'file');
    writeFileSync(file, noiseBytes(2.5 * MiB));
    const puts: number[] = [];
    const blocks = {
      put: async (cid: unknown, bytes: Uint8Array) => {
        puts.push(bytes.length);
        if (puts.length < 20) appendFileSync(file, new Uint8Array(MiB));
        return cid;
      },
    } as unknown as Blockstore;
    await expect(readDirectory(dir, blocks, bounds)).rejects.toMatchObject({ code: 'STORE_FILE_CHANGED' });
    expect(puts).toEqual([MiB]);
  });

  it('that cannot be opened by itself is told, as one that is none', async () => {
    const denied = () => {
      throw Object.assign(new Error('permission denied'), { code: 'EACCES' });
    };
    const dir = await changing(10, denied);
    const unreadable = { code: 'STORE_FILE_UNREADABLE' };
    const large = await changing(100_000, denied);
    await expect(readDirectory(large, new MemoryBlocks(), bounds)).rejects.toMatchObject({
      ...unreadable,
      message: '"file" cannot be opened: permission denied',
      hint: 'Give it read permission: chmod u+r file',
    });
    await expect(fingerprintOf(join(dir, 'file'))).rejects.toMatchObject(unreadable);
    await expect(fingerprintOf(join(dir, 'none'))).rejects.toMatchObject(unreadable);
    symlinkSync('none', join(dir, 'dangling'));
    await expect(fingerprintOf(join(dir, 'dangling'))).rejects.toMatchObject(unreadable);
    await expect(fingerprintOf('/dev/null')).rejects.toMatchObject({ code: 'STORE_ENTRY_REFUSED' });
    symlinkSync('.', join(dir, 'here'));
    expect(await fingerprintOf(join(dir, 'here'))).toMatchObject({ kind: 'tree', files: 1 });
  });

  it('of no size that has content is refused', async () => {
    await expect(readDirectory('/proc/self/fdinfo', new MemoryBlocks(), bounds)).rejects.toMatchObject({
      code: 'STORE_FILE_CHANGED',
    });
  });
});
