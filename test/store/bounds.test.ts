import fs, { statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { sectionHead } from '../../src/protocol/base/car.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { BlockIndex } from '../../src/store/block-index.ts';
import { storeLimits } from '../../src/store/limits.ts';
import { packHeader } from '../../src/store/pack-files.ts';
import { compact, sweepBlocks } from '../../src/store/sweep.ts';
import { area, block, packsIn } from './area.ts';
import { folder, noiseBytes, reopened, store } from './support.ts';

const MiB = 1024 * 1024;

/** Another bound of the store for this test. */
function bound(name: keyof typeof storeLimits, value: number): void {
  const all = storeLimits as Record<string, number>;
  const before = all[name];
  all[name] = value;
  onTestFinished(() => void Object.assign(all, { [name]: before }));
}

/** Bytes of the head of a block of that size. */
const headOf = (size: number) => sectionHead(block(1, 1).cid.bytes, size).length;
describe('a pack', () => {
  /** The size of a block with which a pack that has another one is full. */
  const filling = (other: number, max: number) =>
    max - packHeader.length - headOf(other) - other - headOf(other);

  it('takes blocks up to its largest size, also after a restart', async () => {
    bound('packBytesMax', 10_000);
    const dir = await folder();
    const blocks = await area(dir);
    const last = filling(500, 10_000);
    for (const { cid, bytes } of [block(1, 500), block(2, last)]) await blocks.put(cid, bytes);
    await blocks.sync();
    expect(packsIn(dir).map((name) => statSync(join(dir, name)).size)).toEqual([10_000]);
    await blocks.close();
    const again = await area(dir);
    const more = block(3, 500);
    await again.put(more.cid, more.bytes);
    await again.sync();
    expect(packsIn(dir)).toHaveLength(2);
    const other = await area();
    for (const { cid, bytes } of [block(1, 500), block(2, last + 1)]) await other.put(cid, bytes);
    await other.sync();
    expect(packsIn(other.dir)).toHaveLength(2);
  });

  it('is written once 2 MiB wait, or after 100 ms', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const blocks = await area();
    const written = async () => {
      while (blocks.writer.unwrittenBytes > 0) await new Promise(setImmediate);
    };
    const exact = 2 * MiB - packHeader.length - headOf(2 * MiB - 100);
    const full = block(1, exact);
    await blocks.put(full.cid, full.bytes);
    expect(blocks.writer.unwrittenBytes).toBe(2 * MiB);
    await written();
    const small = block(2, 500);
    await blocks.put(small.cid, small.bytes);
    await vi.advanceTimersByTimeAsync(99);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(blocks.writer.unwrittenBytes).toBeGreaterThan(0);
    await vi.advanceTimersByTimeAsync(1);
    await written();
    const later = block(3, 500);
    await blocks.put(later.cid, later.bytes);
    await vi.advanceTimersByTimeAsync(100);
    await written();
  });

  it('that is new is durable with its folder, which is synced once for it', async () => {
    const blocks = await area();
    const opened = vi.spyOn(fs.promises, 'open');
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
    const folders = () => opened.mock.calls.filter(([path]) => path === blocks.dir).length;
    for (const seed of [1, 2]) {
      const { cid, bytes } = block(seed, 500);
      await blocks.put(cid, bytes);
      await blocks.sync();
      expect(folders()).toBe(1);
    }
    blocks.writer.roll();
    const { cid, bytes } = block(3, 500);
    await blocks.put(cid, bytes);
    await blocks.sync();
    expect(folders()).toBe(2);
  });

  it('is written 2 MiB at a time', async () => {
    const blocks = await area();
    const { files } = blocks;
    const disk = Promise.withResolvers<void>();
    const use = files.use.bind(files);
    let writes = 0;
    files.use = async (...given) => {
      writes++;
      await disk.promise;
      return use(...given);
    };
    const first = block(1, 500);
    await blocks.put(first.cid, first.bytes);
    const flushed = blocks.writer.flush();
    for (const one of [block(2, 2 * MiB - headOf(2 * MiB - 100)), block(3, 500)])
      await blocks.put(one.cid, one.bytes);
    disk.resolve();
    await flushed;
    expect(writes).toBe(3);
  });

  it('of a sealed area is copied up to 8 MiB, and moved above', async () => {
    for (const [more, isMoved] of [
      [0, false],
      [1, true],
    ] as const) {
      bound('packCopyBytesMax', 10_000);
      const s = await store();
      const sealed = s.sealed('lease');
      const size = 10_000 - packHeader.length - headOf(5_000) + more;
      await s.importBytes(noiseBytes(size), { into: sealed });
      const sealedDir = join(s.dir, 'sealed');
      const { ino } = statSync(join(sealedDir, packsIn(sealedDir)[0] ?? ''));
      await s.publish(sealed);
      const [pack = ''] = packsIn(join(s.dir, 'public'));
      expect(statSync(join(s.dir, 'public', pack)).ino === ino).toBe(isMoved);
    }
  });

  it('of which half is live stays, and one with less is written anew', async () => {
    for (const [less, isKept] of [
      [0, true],
      [1, false],
    ] as const) {
      const blocks = await area();
      const dead = block(1, 500);
      // As much as the header, both heads and the other block.
      const live = block(2, packHeader.length + headOf(500) + headOf(700) + 500 - less);
      for (const { cid, bytes } of [dead, live]) await blocks.put(cid, bytes);
      await blocks.sync();
      const [pack] = packsIn(blocks.dir);
      const place = blocks.index.find(dead.cid.multihash.digest);
      if (place === undefined) throw new Error('it is here');
      blocks.index.remove(dead.cid.multihash.digest, place);
      await compact(blocks);
      expect(packsIn(blocks.dir).includes(pack ?? '')).toBe(isKept);
      expect(await blocks.read(live.cid)).toEqual(Buffer.from(live.bytes));
    }
  });

  it('is found without its index, an empty block and one of the largest size in it', async () => {
    const s = await store();
    const empty = await s.importBytes(new Uint8Array(), { into: s.public });
    const largest = block(7, limits.blockBytesMax);
    await s.blocks.during(() => s.blocks.put(largest.cid, largest.bytes.slice()));
    const sizes = [16_384, 65_536, 65_537 - headOf(60_000), 3];
    const cids: string[] = [];
    for (const size of sizes) cids.push(await s.importBytes(noiseBytes(size, 9), { into: s.public }));
    await s.close();
    fs.rmSync(join(s.dir, 'public/index.db'));
    const again = await reopened(s.dir);
    for (const cid of [empty, `${largest.cid}`, ...cids]) expect(await again.has(cid), cid).toBe(true);
  });

  it('that ends with an empty block gives it', async () => {
    const s = await store();
    const cid = await s.importBytes(new Uint8Array(), { into: s.public });
    await s.close();
    const again = await reopened(s.dir);
    expect(await again.readBytes(cid, { maxBytes: 1 })).toHaveLength(0);
  });
});

describe('an index', () => {
  it('is committed after half a second, and tried again where that failed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const file = join(await folder(), 'index.db');
    const index = new BlockIndex(file);
    onTestFinished(() => index.close());
    const logged = () => statSync(`${file}-wal`).size;
    const add = (name: number) =>
      index.add({ digest: new Uint8Array(32).fill(name), codec: 0x55, pack: 1, at: 9, size: 1, used: 1 });
    const before = logged();
    add(1);
    vi.advanceTimersByTime(499);
    expect(logged()).toBe(before);
    vi.advanceTimersByTime(1);
    const once = logged();
    expect(once).toBeGreaterThan(before);
    add(2);
    const commit = vi.spyOn(index, 'commit').mockImplementationOnce(() => {
      throw new Error('disk full');
    });
    vi.advanceTimersByTime(500);
    expect([commit.mock.calls.length, logged()]).toEqual([1, once]);
    vi.advanceTimersByTime(500);
    expect(logged()).toBeGreaterThan(once);
  });

  it('is swept 500 blocks at a time', async () => {
    const blocks = await area();
    const { cid, bytes } = block(1, 5);
    await blocks.put(cid, bytes);
    await blocks.sync();
    const unused = vi.spyOn(blocks.index, 'unused');
    await sweepBlocks(
      blocks,
      () => true,
      () => Date.now() + 1_000,
    );
    expect(unused.mock.calls.map(([, , max]) => max)).toEqual([500, 500]);
    // No pack was wasted: the next block goes where this one is.
    const more = block(2, 5);
    await blocks.put(more.cid, more.bytes);
    await blocks.sync();
    expect(packsIn(blocks.dir)).toHaveLength(1);
  });
});
