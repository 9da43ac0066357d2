import { setImmediate } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Blocks } from '../../src/store/blocks.ts';
import { storeLimits } from '../../src/store/limits.ts';
import { block } from './area.ts';
import { folder } from './support.ts';

const MiB = 1024 * 1024;

/** An area whose disk does what the test says. `isSync`: the call has no flags, as only syncs and reads have none. */
async function area(disk: (call: { pack: number; isSync: boolean }) => Promise<void>): Promise<Blocks> {
  const blocks = await Blocks.open(await folder());
  const { files } = blocks;
  const use = files.use.bind(files);
  files.use = async (pack, work, flags) => {
    await disk({ pack, isSync: flags === undefined });
    return use(pack, work, flags);
  };
  onTestFinished(() => blocks.close());
  return blocks;
}

it('a sync ends when all packs are durable: one whose pack cannot be synced fails, and the next tries it again', async () => {
  const synced: number[] = [];
  let isBroken = true;
  const blocks = await area(async ({ pack, isSync }) => {
    if (isSync && isBroken) throw new Error('input/output error');
    if (isSync) synced.push(pack);
  });
  const { cid, bytes } = block(1, 500);
  await blocks.put(cid, bytes);
  await expect(blocks.writer.sync()).rejects.toThrow('input/output error');
  isBroken = false;
  await blocks.writer.sync();
  expect(synced).toEqual([1]);
});

it('a pack that is gone is told to who writes to it', async () => {
  const blocks = await area(async () => {});
  const [first, second] = [block(1, 500), block(2, 500)];
  await blocks.put(first.cid, first.bytes);
  await blocks.sync();
  await blocks.files.remove(1);
  await blocks.put(second.cid, second.bytes);
  await expect(blocks.writer.flush()).rejects.toThrow('1.car is gone');
  expect(blocks.has(second.cid)).toBe(false);
});

it('a full disk is told by its code, whether an index, a pack or a sync has no room', async () => {
  const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  let isFull = false;
  const blocks = await area(async ({ isSync }) => {
    if (isFull && isSync) throw full;
  });
  const [first, second] = [block(1, 500), block(2, 500)];
  const says = { code: 'STORE_DISK_FULL', cause: full };
  vi.spyOn(blocks.index, 'add').mockImplementationOnce(() => {
    throw full;
  });
  await expect(blocks.put(first.cid, first.bytes)).rejects.toMatchObject(says);
  await blocks.put(second.cid, second.bytes);
  isFull = true;
  await expect(blocks.sync()).rejects.toMatchObject(says);
  isFull = false;
  await blocks.sync();
});

it.each(['put', 'take'] as const)(
  '%s waits for the disk once so much is unwritten, and no longer than until it is written',
  async (way) => {
    const disk = Promise.withResolvers<void>();
    const blocks = await area(() => disk.promise);
    const add = (seed: number) => {
      const { cid, bytes } = block(seed, MiB);
      return blocks[way](cid, bytes);
    };
    const fits = Math.floor(storeLimits.packUnwrittenBytesMax / (MiB + 1));
    for (let seed = 1; seed <= fits; seed++) await add(seed);
    // A block of this size fills what may be unwritten; its head has 39 bytes.
    const exact = block(fits + 1, storeLimits.packUnwrittenBytesMax - blocks.writer.unwrittenBytes - 39);
    await blocks[way](exact.cid, exact.bytes);
    expect(blocks.writer.unwrittenBytes).toBe(storeLimits.packUnwrittenBytesMax);
    let isIn = false;
    const last = add(fits + 2).then(() => {
      isIn = true;
    });
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    const hasWaited = !isIn;
    disk.resolve();
    await last;
    expect(hasWaited).toBe(true);
    expect(blocks.writer.unwrittenBytes).toBe(0);
  },
);
