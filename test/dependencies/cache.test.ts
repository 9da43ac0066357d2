import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { DownloadCache, WrongHash } from '../../src/dependencies/fetch/cache.ts';
import { scratch } from '../e2e/support/processes.ts';
import { inSmallFiles } from '../support/small-files.ts';

const bytes = Buffer.from('the bytes of a package');
const sha256 = createHash('sha256').update(bytes).digest('hex');
const wanted = { integrity: { algorithm: 'sha256' as const, digests: [sha256] }, file: 'thing.tgz' };

let dir: string;
let cache: DownloadCache;

beforeEach(async () => {
  dir = join(await scratch(), 'cache');
  cache = new DownloadCache(dir);
});

const body = (of: Buffer, from = 0) => ({
  body: (async function* () {
    yield of;
  })(),
  from,
});
const taken = (key: string, of = bytes, from = 0) => cache.take(key, wanted, body(of, from), () => {});
const unfinished = () => readdir(join(dir, 'partial')).catch(() => []);

describe('an unfinished file', () => {
  const key = 'a key';
  const name = createHash('sha256').update(key).digest('hex');

  it('is gone on with, by its key', async () => {
    await mkdir(join(dir, 'partial'), { recursive: true });
    await writeFile(join(dir, 'partial', name), bytes.subarray(0, 5));
    expect(await cache.claim('another key')).toBe(0);
    expect(await cache.claim(key)).toBe(5);
    expect((await taken(key, bytes.subarray(5), 5)).size).toBe(bytes.length);
    expect(await unfinished()).toEqual([]);
  });

  it('that another process removed since it was claimed is not begun in the middle', async () => {
    const late = cache.keep('a key', body(bytes.subarray(5), 5), () => {});
    await expect(late).rejects.toMatchObject({ code: 'DEPENDENCIES_CACHE' });
  });

  it('that the disk has no room for is not taken for wrong bytes', () => {
    const large = createHash('sha256').update(Buffer.alloc(200_000)).digest('hex');
    const said = inSmallFiles(
      100,
      import.meta.dirname,
      `import { DownloadCache } from '../../src/dependencies/fetch/cache.ts';
      const cache = new DownloadCache(${JSON.stringify(dir)});
      const wanted = { integrity: { algorithm: 'sha256', digests: ['${large}'] }, file: 'thing.tgz' };
      const body = (async function* () { yield Buffer.alloc(200_000); })();
      await cache.take('a', wanted, { body, from: 0 }, () => {}).catch((error) => console.log(error.code, error.message));`,
    );
    expect(said).toMatch(/^DEPENDENCIES_CACHE .*EFBIG/);
  });

  it('is taken over from a process that ended, and from no other', async () => {
    const { pid } = spawnSync('true');
    await mkdir(join(dir, 'partial'), { recursive: true });
    await writeFile(join(dir, 'partial', `${name}.1`), bytes.subarray(0, 7));
    expect(await cache.claim(key)).toBe(0);
    await writeFile(join(dir, 'partial', `${name}.${pid}`), bytes.subarray(0, 5));
    await writeFile(join(dir, 'partial', `${'f'.repeat(64)}.${pid}`), bytes.subarray(0, 6));
    expect(await cache.claim(key)).toBe(5);
    await cache.leave(key);
    expect((await unfinished()).sort()).toEqual([name, `${name}.1`, `${'f'.repeat(64)}.${pid}`].sort());
  });

  it('without a hash to compare it with is there when it is told, by its sha256', async () => {
    const kept = await cache.keep(key, body(bytes), () => {}, 'sha1');
    expect(existsSync(kept.path)).toBe(true);
    const digest = createHash('sha1').update(bytes).digest('hex');
    expect(kept).toMatchObject({ size: bytes.length, sha256, digest });
    expect(await readFile(kept.path)).toEqual(bytes);
    expect(await unfinished()).toEqual([]);
  });

  it('with other bytes is not gone on with', async () => {
    await expect(taken(key, Buffer.from('others'))).rejects.toThrow(WrongHash);
    await cache.leave(key);
    expect(await unfinished()).toEqual([]);
  });
});

describe('a kept file', () => {
  it('that was damaged is removed', async () => {
    const { path } = await taken('a key');
    await writeFile(path, 'others');
    expect(await cache.find(wanted)).toBeUndefined();
    expect(existsSync(path)).toBe(false);
  });

  it('stays for sixty days since it was asked for last', async () => {
    const now = Date.parse('2026-11-01T00:00:00Z');
    vi.setSystemTime(now);
    onTestFinished(() => void vi.useRealTimers());
    const { path } = await taken('a key');
    const at = (ms: number) => utimes(path, ms / 1000, ms / 1000);
    await at(now - 60 * 24 * 3600_000);
    await cache.trim();
    expect(existsSync(path)).toBe(true);
    await at(now - 60 * 24 * 3600_000 - 1_000);
    expect((await cache.find(wanted))?.path).toBe(path);
    await cache.trim();
    expect(await readFile(path)).toEqual(bytes);
    await at(now - 60 * 24 * 3600_000 - 1_000);
    await cache.trim();
    expect(existsSync(path)).toBe(false);
  });
});

it('a folder that cannot be read or written is an error with its path, whatever is done with it', async () => {
  await writeFile(dir, 'a file');
  const failed = { code: 'DEPENDENCIES_CACHE', message: expect.stringContaining(dir) };
  await expect(cache.find(wanted)).rejects.toMatchObject(failed);
  await expect(cache.claim('a key')).rejects.toMatchObject(failed);
  await expect(cache.trim()).rejects.toMatchObject(failed);
  await expect(taken('a key')).rejects.toMatchObject(failed);
});
