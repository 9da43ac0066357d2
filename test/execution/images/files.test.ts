import { mkdir, readdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { checkRan } from '../../../src/client/trial/trial.ts';
import {
  hasImageFile,
  listImageFiles,
  readImageFile,
  removeImageFile,
  writeImageFile,
} from '../../../src/execution/images/files.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import type { Store } from '../../../src/store/index.ts';
import { store, tar } from '../../store/support.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { inSmallFiles } from '../../support/small-files.ts';

const { signal } = new AbortController();
let dir: string;
let from: Store & { dir: string };
let image: string;

beforeEach(async () => {
  dir = join(await folder(), 'images');
  from = await store();
  const entries = await tar(['a', 'b', 'c'].map((name) => ({ name, body: name.repeat(100_000) })));
  image = (await from.importTar(entries, { into: from.public })).root;
});

const write = (of = image, by = signal) =>
  writeImageFile(from, dir, { image: of, bytes: 1, files: 3, of: 'a test', made: 'now' }, by);

it('an image is written for its owner, read with its progress, listed and removed', async () => {
  const file = await write();
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await readdir(dir)).sort()).toEqual([`${image}.car`, `${image}.json`]);
  const into = await store();
  const seen: number[][] = [];
  await readImageFile(into, dir, image, { signal, onProgress: (...now) => void seen.push(now) });
  expect(await into.has(image)).toBe(true);
  const { size } = await stat(file);
  expect(seen.at(-1)).toEqual([size, size]);
  await writeFile(join(dir, 'x.json'), '{}');
  expect((await listImageFiles(dir)).map((one) => one.image)).toEqual([image]);
  await writeFile(join(dir, `${image}.json`), '{}');
  expect(await codeOf(() => listImageFiles(dir))).toBe('HOME_DAMAGED');
  await removeImageFile(dir, image);
  expect(hasImageFile(dir, image)).toBe(false);
  expect(await readdir(dir)).toEqual(['x.json']);
  expect(await codeOf(() => removeImageFile(dir, image))).toBe('IMAGE_UNKNOWN');
  expect(await listImageFiles(join(dir, 'none'))).toEqual([]);
});

it('a disk that takes part of an image keeps none', async () => {
  const { root } = await from.importTar(await tar([{ name: 'a', body: Buffer.alloc(200_000) }]), {
    into: from.public,
  });
  const { dir: home } = from;
  await from.close();
  const said = inSmallFiles(
    100,
    import.meta.dirname,
    `import { writeImageFile } from '../../../src/execution/images/files.ts';
    import { openStore } from '../../../src/store/index.ts';
    const store = await openStore({ dir: ${JSON.stringify(home)} });
    const about = { image: '${root}', bytes: 1, files: 1, of: 'a test', made: 'now' };
    await writeImageFile(store, ${JSON.stringify(dir)}, about, new AbortController().signal).catch(({ code }) => console.log(code));
    await store.close();`,
  );
  expect(said).toBe('EFBIG\n');
  expect(await readdir(dir)).toEqual([]);
});

it('a file that was cut, or changed, or is not there holds no image', async () => {
  const file = await write();
  const whole = await readFile(file);
  const read = async () => codeOf(async () => readImageFile(await store(), dir, image, { signal }));
  await truncate(file, whole.length - 1);
  expect(await read()).toBe('HOME_DAMAGED');
  // At the end of a block: in front of the last one are its length, in three bytes, and its name, in 36.
  await truncate(file, whole.length - 100_000 - 36 - 3);
  await expect(readImageFile(await store(), dir, image, { signal })).rejects.toThrow('before the last block');
  await writeFile(file, Buffer.concat([whole, Buffer.from('more')]));
  expect(await read()).toBe('HOME_DAMAGED');
  whole[whole.length - 10] = (whole[whole.length - 10] ?? 0) ^ 1;
  await writeFile(file, whole);
  expect(await read()).toBe('HOME_DAMAGED');
  await removeImageFile(dir, image);
  expect(await read()).toBe('HOME_DAMAGED');
});

it('a full disk is no damage of the file, and neither is a reading that was ended', async () => {
  await write();
  const into = await store();
  const full = new QuorateError('STORE_DISK_FULL', 'full');
  vi.spyOn(into.blocks, 'put').mockRejectedValue(full);
  expect(await codeOf(() => readImageFile(into, dir, image, { signal }))).toBe('STORE_DISK_FULL');
  const reason = new Error('enough');
  const ended = readImageFile(into, dir, image, { signal: AbortSignal.abort(reason) });
  await expect(ended).rejects.toBe(reason);
});

it('a write that fails leaves no file, and unfinished files of others go after ten minutes', async () => {
  await mkdir(dir, { recursive: true });
  const at = async (name: string, ageMs: number) => {
    await writeFile(join(dir, name), 'half');
    const then = (Date.now() - ageMs) / 1000;
    await utimes(join(dir, name), then, then);
  };
  await at('old.car.7.new', 11 * 60_000);
  await at('young.car.7.new', 9 * 60_000);
  await at('old.car.new', 11 * 60_000);
  const now = Date.now();
  vi.spyOn(Date, 'now').mockReturnValue(now);
  onTestFinished(() => void vi.restoreAllMocks());
  await at('ten-minutes.car.7.new', 10 * 60_000);
  const reason = new Error('enough');
  await expect(write(image, AbortSignal.abort(reason))).rejects.toBe(reason);
  expect((await readdir(dir)).sort()).toEqual(['old.car.new', 'ten-minutes.car.7.new', 'young.car.7.new']);
});

it('a trial whose sandbox or operator ended it did not run', () => {
  const ran = (outcome: object) => checkRan({ outcome } as never);
  ran({ kind: 'exit', code: 1 });
  ran({ kind: 'aborted', reason: 'time', detail: '' });
  for (const reason of ['sandbox', 'operator'])
    expect(() => ran({ kind: 'aborted', reason, detail: 'why' })).toThrow(
      expect.objectContaining({ code: 'TRY_SANDBOX_FAILED' }),
    );
});
