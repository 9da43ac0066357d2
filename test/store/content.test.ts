import fs, { closeSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { CID } from 'multiformats/cid';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { pbCode, rawCode } from '../../src/protocol/base/car.ts';
import { Slices } from '../../src/protocol/base/slices.ts';
import { writeAll } from '../../src/store/disk.ts';
import { cidOf, giveUpMemory, storeChunks, storeFile } from '../../src/store/file-import.ts';
import { decodeNode } from '../../src/store/nodes.ts';
import { PackFiles } from '../../src/store/pack-files.ts';
import { PinLog } from '../../src/store/pin-log.ts';
import { PinsIncomplete } from '../../src/store/pins-incomplete.ts';
import { Symlinks } from '../../src/store/symlinks.ts';
import { readTar } from '../../src/store/tar-read.ts';
import { walkTree } from '../../src/store/tree-walk.ts';
import { MemoryBlocks } from '../fuzz/targets/blocks.ts';
import { area, block } from './area.ts';
import { codeOf, collect, folder, noiseBytes, pieces, store, tar, tarBytes } from './support.ts';

const MiB = 1024 * 1024;

describe('a file', () => {
  it('has 1,024 links in a node', async () => {
    async function* chunks(count: number) {
      for (let n = 0; n < count; n++) yield Uint8Array.of(n >> 8, n & 255);
    }
    const linksOf = async (count: number) => {
      const blocks = new MemoryBlocks();
      const { cid, size } = await storeChunks(blocks, chunks(count), false);
      expect(size).toBe(2 * count);
      return decodeNode(cid, await blocks.read(cid)).links.length;
    };
    expect([await linksOf(2), await linksOf(1_024), await linksOf(1_025)]).toEqual([2, 1_024, 2]);
  });

  it('of one chunk is stored as it is given, without a copy', async () => {
    const content = noiseBytes(MiB);
    const put = vi.fn(async (cid: CID) => cid);
    await storeFile({ put } as unknown as MemoryBlocks, content, false);
    const [[cid, stored] = [], ...more] = put.mock.calls as unknown[][];
    expect([cid, more]).toEqual([cidOf(rawCode, content), []]);
    expect(stored).toBe(content);
  });

  it('is written at once up to 64 KiB, and whole where the disk takes a part', async () => {
    const path = join(await folder(), 'file');
    const file = openSync(path, 'w+');
    onTestFinished(() => closeSync(file));
    const written = vi.spyOn(fs, 'writevSync');
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
    const parts = [noiseBytes(65_000), noiseBytes(536, 2)];
    expect(await writeAll(file, parts, 0)).toBe(65_536);
    expect(written).toHaveBeenCalledTimes(1);
    expect(await writeAll(file, [...parts, Uint8Array.of(1)], 0)).toBe(65_537);
    expect(written).toHaveBeenCalledTimes(1);
    written.mockImplementation((to, [some], at) => fs.writeSync(to, some as Uint8Array, 0, 100, at));
    fs.ftruncateSync(file, 0);
    expect(await writeAll(file, parts, 0)).toBe(65_536);
    expect(readFileSync(path)).toEqual(Buffer.concat(parts));
  });

  it('is created beside others once one took more than a millisecond, 64 of them', async () => {
    vi.spyOn(Slices.prototype, 'isOver', 'get').mockReturnValue(false);
    const s = await store();
    const entries = Array.from({ length: 70 }, (_, n) => ({ name: `f${n}`, body: `${n}` }));
    const { root } = await s.importTar(await tar(entries), { into: s.public });
    const opened = vi.spyOn(fs, 'openSync');
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
    const created = async (stepMs: number) => {
      let now = 0;
      vi.spyOn(performance, 'now').mockImplementation(() => {
        now += stepMs;
        return now;
      });
      opened.mockClear();
      const dest = join(await folder(), 'out');
      await s.exportDirectory(root, dest);
      expect(readdirSync(dest)).toHaveLength(70);
      return opened.mock.calls.filter(([path]) => String(path).includes('out')).length;
    };
    expect(await created(1)).toBe(70);
    expect(await created(2)).toBe(2);
  });
});

it('memory from 4 KiB on is given up, where it is of those bytes alone', () => {
  const sizes = [4_095, 4_096].map((size) => {
    const bytes = new Uint8Array(size);
    giveUpMemory(bytes);
    return bytes.length;
  });
  expect(sizes).toEqual([4_095, 0]);
  const part = new Uint8Array(9_000).subarray(1);
  giveUpMemory(part);
  const shared = new Uint8Array(new SharedArrayBuffer(5_000));
  giveUpMemory(shared);
  expect([part.length, shared.length]).toEqual([8_999, 5_000]);
});

it('up to five trees that are not whole are named', () => {
  const named = (count: number) =>
    new PinsIncomplete(Array.from({ length: count }, (_, n) => `tree-${n}`)).message;
  expect(named(5)).toBe(
    '5 pinned trees have missing or damaged blocks: tree-0, tree-1, tree-2, tree-3, tree-4',
  );
  expect(named(6)).toMatch(/: tree-0, tree-1, tree-2, tree-3, tree-4 and more$/);
  expect(named(1)).toBe('1 pinned tree has missing or damaged blocks: tree-0');
});

it('a path of up to 40 links is followed', () => {
  const check = (count: number) => {
    const links = new Symlinks();
    links.add('here', '.');
    links.add('out', `${'here/'.repeat(count)}..`);
    links.check();
  };
  expect(() => check(40)).toThrow(expect.objectContaining({ code: 'STORE_LINK_ESCAPES' }));
  check(41);
});

it('an archive may have 8 KiB for each entry and 1 MiB beside its content', async () => {
  const bounds = { maxBytes: 1_024, maxEntries: 2 };
  const largest = 1_024 + 2 * 8_192 + MiB;
  const archive = await tarBytes([{ name: 'f', body: 'x' }]);
  const read = (bytes: number) =>
    readTar(
      pieces(Buffer.concat([archive, Buffer.alloc(bytes - archive.length)])),
      new MemoryBlocks(),
      bounds,
    );
  expect(await read(largest)).toMatchObject({ entries: 1 });
  expect(await codeOf(read(largest + 1))).toBe('STORE_TREE_TOO_LARGE');
});

it('an archive of which no more is read is closed with the reason', async () => {
  const s = await store();
  const [stop, reason] = [new AbortController(), new Error('enough')];
  const archive = new Readable({ read() {} });
  archive.push((await tarBytes([{ name: 'f', body: noiseBytes(100_000) }])).subarray(0, 20_000));
  const importing = s.importTar(archive, { into: s.public, signal: stop.signal });
  const ended = importing.catch((error: unknown) => error);
  while (archive.readableLength > 0) await new Promise(setImmediate);
  stop.abort(reason);
  expect(await ended).toBe(reason);
  expect(archive.errored).toBe(reason);
});

it('sixteen entries of a folder are looked at together', async () => {
  const blocks = new MemoryBlocks();
  const entries = Array.from({ length: 20 }, (_, n) => ({ name: `f${n}`, body: `${n}` }));
  const { root } = await readTar(await tar(entries), blocks, { maxBytes: MiB, maxEntries: 100 });
  let asked = 0;
  const gate = Promise.withResolvers<void>();
  const size = async (cid: CID) => {
    asked++;
    await gate.promise;
    return blocks.size(cid);
  };
  const walked = collect(walkTree({ read: (cid) => blocks.read(cid), size }, root));
  while (asked === 0) await new Promise(setImmediate);
  expect(asked).toBe(16);
  gate.resolve();
  expect(await walked).toHaveLength(20);
});

describe('pins', () => {
  it('that cannot be written for want of room are not recorded, and are tried again', async () => {
    const file = join(await folder(), 'pins.log');
    const log = new PinLog(file);
    log.open();
    onTestFinished(() => log.close());
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    const write = vi.spyOn(fs, 'writeSync');
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
    const fail = () =>
      write.mockImplementationOnce(() => {
        throw full;
      });
    const pin = { kind: 'pin', root: 'a', used: 1, name: 'run' } as const;
    const before = readFileSync(file);
    fail();
    const says = { code: 'STORE_DISK_FULL', cause: full };
    expect(() => log.append([pin])).toThrow(expect.objectContaining(says));
    expect([log.pins.size, readFileSync(file)]).toEqual([0, before]);
    log.append([pin]);
    fail();
    await expect(log.sync()).rejects.toMatchObject(says);
    await log.sync();
    expect(readFileSync(file, 'latin1')).toContain(
      `format 3 ${String(statSync(file).size).padStart(16, '0')}`,
    );
    const calls = write.mock.calls.length;
    await log.sync();
    expect(write.mock.calls.length).toBe(calls);
  });

  it('stay where all trees have just the room that there is', async () => {
    const s = await store();
    const roots: string[] = [];
    for (const seed of [1, 2, 3]) roots.push(await s.importBytes(noiseBytes(100, seed), { into: s.public }));
    await s.pin(roots, 'run');
    const trim = (bytesMax: number) => s.trim({ bytesMax, counts: () => true, stays: () => false });
    expect(await trim(300)).toEqual([]);
    expect(await trim(299)).toHaveLength(1);
  });

  it('are written anew once there are 1,000 lines beyond two for each name', async () => {
    const file = join(await folder(), 'pins.log');
    const log = new PinLog(file);
    log.open();
    onTestFinished(() => log.close());
    const lines = () => readFileSync(file, 'latin1').split('\n').length - 2;
    log.append([{ kind: 'pin', root: 'a', used: 1, name: 'run' }]);
    log.append(Array.from({ length: 1_001 }, () => ({ kind: 'used', root: 'a', used: 2 }) as const));
    await log.sync();
    expect(lines()).toBe(1_002);
    log.append([{ kind: 'used', root: 'a', used: 3 }]);
    await log.sync();
    expect(lines()).toBe(1);
  });

  it('of which the last line was not synced, and lacks its line feed, are those before it', async () => {
    const file = join(await folder(), 'pins.log');
    const log = new PinLog(file);
    log.open();
    log.append([{ kind: 'pin', root: 'a', used: 1, name: 'run' }]);
    await log.sync();
    log.append([{ kind: 'pin', root: 'b', used: 1, name: 'run' }]);
    log.close();
    writeFileSync(file, readFileSync(file).subarray(0, -1));
    const again = new PinLog(file);
    again.open();
    onTestFinished(() => again.close());
    expect([...again.pins.keys()]).toEqual(['a']);
  });
});

describe('a block', () => {
  it('that got another place while it was read is read there', async () => {
    const blocks = await area();
    const { cid, bytes } = block(1, 500);
    await blocks.put(cid, bytes);
    await blocks.sync();
    const [row] = blocks.index.rows();
    if (row === undefined) throw new Error('it is here');
    vi.spyOn(blocks.files, 'read').mockImplementationOnce(async () => {
      blocks.index.remove(row.digest, row);
      await blocks.put(cid, bytes);
      return new Uint8Array(500);
    });
    expect(Buffer.compare(await blocks.read(cid), bytes)).toBe(0);
  });

  it('of a sealed area that cannot be read is not looked for elsewhere', async () => {
    const s = await store();
    const sealed = s.sealed('lease');
    const cid = await s.importBytes(noiseBytes(20_000), { into: sealed });
    const failure = Object.assign(new Error('input/output error'), { code: 'EIO' });
    vi.spyOn(PackFiles.prototype, 'read').mockRejectedValue(failure);
    onTestFinished(() => void vi.restoreAllMocks());
    await expect(s.readBytes(cid, { maxBytes: 1e6, from: sealed })).rejects.toBe(failure);
  });

  it('that cannot be read ends what publishes or moves it', async () => {
    const s = await store();
    const sealed = s.sealed('lease');
    await s.importBytes(noiseBytes(20_000), { into: sealed });
    const kept = await s.importBytes(noiseBytes(20_000, 2), { into: s.public });
    await s.importBytes(noiseBytes(90_000, 3), { into: s.public });
    await s.pin([kept], 'run');
    const failure = Object.assign(new Error('input/output error'), { code: 'EIO' });
    const read = vi.spyOn(PackFiles.prototype, 'read').mockRejectedValue(failure);
    onTestFinished(() => void vi.restoreAllMocks());
    await expect(s.publish(sealed)).rejects.toBe(failure);
    await expect(s.collect({ graceSeconds: -10 })).rejects.toBe(failure);
    read.mockRestore();
    expect(await s.has(kept)).toBe(true);
    await s.publish(sealed);
  });

  it('of a tree that is no node is a fault of the tree, which is not taken for missing', async () => {
    const s = await store();
    const odd = Buffer.from('no node');
    const cid = cidOf(pbCode, odd);
    await s.blocks.during(() => s.blocks.put(cid, odd));
    expect(await codeOf(s.has(`${cid}`))).toBe('STORE_TREE_MALFORMED');
  });
});

it('below an executable file there is no entry, and the folder of an archive is none', async () => {
  const s = await store();
  const archive = await tar([
    { name: './', type: 'directory' },
    { name: '.', type: 'directory' },
    { name: './run', body: 'x', mode: 0o755 },
  ]);
  const { root, entries } = await s.importTar(archive, { into: s.public });
  expect(entries).toBe(1);
  expect(await s.resolve(root, 'run')).toMatchObject({ executable: true });
  expect(await s.resolve(root, 'run/x')).toBeUndefined();
});

it('blocks are taken in pieces too', async () => {
  const blocks = await area();
  const { cid, bytes } = block(1, 500);
  await blocks.put(cid, [bytes.subarray(0, 100), bytes.subarray(100)]);
  expect(await blocks.read(cid)).toEqual(Buffer.from(bytes));
});
