import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFile, cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { CarParser, carHeader } from '../../src/protocol/base/car.ts';
import { BlockIndex } from '../../src/store/block-index.ts';
import { checkPacks } from '../../src/store/check.ts';
import { openStore } from '../../src/store/index.ts';
import { PackFiles } from '../../src/store/pack-files.ts';
import {
  codeOf,
  collect,
  damage,
  folder,
  noiseBytes,
  reopened,
  store,
  type TarEntry,
  tar,
} from './support.ts';

const files = (count: number, size: number, seed = 1): TarEntry[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `d${index % 7}/f${index}`,
    body: noiseBytes(size, seed + index),
  }));

const packsOf = async (dir: string): Promise<string[]> =>
  (await readdir(dir)).filter((name) => name.endsWith('.car')).map((name) => join(dir, name));

const bytesOf = async (dir: string): Promise<number> => {
  const sizes = await Promise.all((await packsOf(dir)).map(async (file) => (await stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
};

describe('packs', () => {
  it('are archives of blocks as the whole field reads them', async () => {
    const s = await store();
    const { root } = await s.importTar(await tar(files(50, 300)), { into: s.public });
    await s.close();
    const [pack] = await packsOf(join(s.dir, 'public'));
    const parser = new CarParser(carHeader([CID.parse('bafkqaaa').bytes]));
    parser.push(await readFile(pack ?? ''));
    const found: string[] = [];
    for (let one = parser.next(); one !== undefined; one = parser.next())
      found.push(CID.decode(one.cid).toString());
    parser.end();
    expect(found).toContain(root);
    expect(found.length).toBe(58);
  });

  it('lose only what was never finished when a write was cut off', async () => {
    const s = await store();
    const first = await s.importTar(await tar(files(20, 500)), { into: s.public });
    await s.close();
    const [pack] = await packsOf(join(s.dir, 'public'));
    const before = (await stat(pack ?? '')).size;
    await appendFile(pack ?? '', noiseBytes(700));
    const again = await reopened(s.dir);
    expect((await stat(pack ?? '')).size).toBe(before);
    const second = await again.importTar(await tar(files(20, 500, 100)), { into: again.public });
    await again.close();
    const third = await reopened(s.dir);
    expect([await third.has(first.root), await third.has(second.root)]).toEqual([true, true]);
    expect((await collect(third.list(second.root, { hash: true }))).length).toBe(27);
  });

  it('say so when the disk lost the end of one, and take the blocks again', async () => {
    const s = await store();
    const entries = files(20, 500);
    const { root } = await s.importTar(await tar(entries), { into: s.public });
    await s.close();
    const [pack] = await packsOf(join(s.dir, 'public'));
    await truncate(pack ?? '', 5_000);
    const again = await reopened(s.dir);
    expect(await again.has(root)).toBe(false);
    await again.importTar(await tar(entries), { into: again.public });
    expect((await collect(again.list(root, { hash: true }))).length).toBe(27);
  });

  it.each([
    ['lost', (file: string) => rm(file)],
    ['damaged', (file: string) => writeFile(file, noiseBytes(20_000))],
  ])('are all that is needed: an index that is %s is made from them', async (_, harm) => {
    const s = await store();
    const trees = [];
    for (const seed of [1, 1000])
      trees.push(await s.importTar(await tar(files(30, 400, seed)), { into: s.public }));
    const big = await s.importTar(await tar([{ name: 'big', body: noiseBytes(3_000_000) }]), {
      into: s.public,
    });
    await s.pin([big.root], 'kept');
    await s.close();
    await harm(join(s.dir, 'public/index.db'));
    const again = await reopened(s.dir);
    for (const { root } of [...trees, big]) expect(await again.has(root)).toBe(true);
    expect((await again.collect({ graceSeconds: -10 })).blocks).toBe(76);
    expect((await collect(again.list(big.root, { hash: true }))).length).toBe(1);
  });

  it('give blocks whose rows a crash lost, and none that is incomplete', async () => {
    const s = await store();
    const [first, second] = [files(5, 500), files(5, 500, 100)];
    const { root } = await s.importTar(await tar(first), { into: s.public });
    await s.pin([root], 'kept');
    await s.close();
    const [before, killed, cut] = [await folder(), await folder(), await folder()];
    await cp(s.dir, before, { recursive: true });
    const later = await reopened(s.dir);
    const { root: last } = await later.importTar(await tar(second), { into: later.public });
    // As a killed process leaves it: the files as they are now, and an index into which no row of these was written yet.
    for (const dir of [killed, cut]) {
      await cp(s.dir, dir, { recursive: true });
      for (const end of ['-wal', '-shm']) await rm(join(dir, `public/index.db${end}`), { force: true });
      await cp(join(before, 'public/index.db'), join(dir, 'public/index.db'));
    }
    const again = await reopened(killed);
    expect([await again.has(root), await again.has(last), again.pinned(root)]).toEqual([true, true, true]);
    expect((await collect(again.list(last, { hash: true }))).length).toBe(10);

    const { cid = '' } = (await later.resolve(last, 'd0/f0')) ?? {};
    await damage(cut, cid);
    const partly = await reopened(cut);
    expect([await partly.has(root), await partly.has(last)]).toEqual([true, false]);
    await partly.importTar(await tar(second), { into: partly.public });
    expect((await collect(partly.list(last, { hash: true }))).length).toBe(10);
  });

  it('take a block again whose row was there before its bytes', async () => {
    const s = await store();
    await s.importBytes(noiseBytes(500), { into: s.public });
    await s.close();
    const body = noiseBytes(500, 2);
    const db = new DatabaseSync(join(s.dir, 'public/index.db'));
    const digest = createHash('sha256').update(body).digest();
    db.prepare('INSERT INTO blocks VALUES (?, 85, 1, 5000, 500, 0)').run(digest);
    // A database that is not closed keeps its log.
    const killed = await folder();
    await cp(s.dir, killed, { recursive: true });
    db.close();
    const again = await reopened(killed);
    const cid = await again.importBytes(body, { into: again.public });
    expect(await again.readBytes(cid, { maxBytes: 1000 })).toEqual(body);
  });

  it('are read no further by a check that is ended', async () => {
    const s = await store();
    await s.importBytes(Buffer.from('a block'), { into: s.public });
    await s.close();
    const check = (signal: AbortSignal) => checkPacks(join(s.dir, 'public'), [], signal);
    expect(await check(new AbortController().signal)).toMatchObject({ blocks: 1, faults: [] });
    await expect(check(AbortSignal.abort(new Error('ended')))).rejects.toThrow('ended');
  });

  it('are found to be whole or damaged by a check, each place by its offset', async () => {
    const s = await store();
    const odd = Buffer.from('a block of another kind');
    const notes = CID.createV1(0x70, createDigest(0x12, createHash('sha256').update(odd).digest()));
    await s.blocks.during(() => s.blocks.put(notes, odd));
    const { root } = await s.importTar(await tar(files(3, 500)), { into: s.public });
    const lost = await s.importBytes(noiseBytes(700, 9), { into: s.public });
    await s.close();
    await damage(s.dir, lost);
    const [pack = ''] = await packsOf(join(s.dir, 'public'));
    const end = (await stat(pack)).size;
    await appendFile(pack, 'cut off');
    const roots = [root, lost, notes.toString()];
    const { faults, ...found } = await checkPacks(join(s.dir, 'public'), roots, new AbortController().signal);
    const at = (await readFile(pack)).indexOf(odd);
    expect(faults).toEqual([
      { file: pack, at, says: expect.stringContaining('is not UnixFS') },
      { file: pack, at: end - 700, says: `block ${lost} is not what its hash says` },
      { file: pack, at: end, says: '7 bytes are no block: a write that a crash cut off, or damage' },
    ]);
    expect(found).toMatchObject({ blocks: 9, incomplete: [lost, notes.toString()] });
    const none = await checkPacks(join(s.dir, 'none'), roots, new AbortController().signal);
    expect(none).toEqual({ blocks: 0, bytes: 0, faults: [], incomplete: roots });
  });

  it('of a tree that leads to one node in 2^60 ways are checked as soon as of another', async () => {
    const s = await store();
    let last = CID.parse(await s.importBytes(Buffer.from('x'), { into: s.public }));
    for (let level = 0; level < 60; level++) {
      const links = ['a', 'b'].map((Name) => ({ Name, Hash: last, Tsize: 1 }));
      const bytes = encode(prepare({ Data: new UnixFS({ type: 'directory' }).marshal(), Links: links }));
      last = CID.createV1(0x70, createDigest(0x12, createHash('sha256').update(bytes).digest()));
      await s.blocks.put(last, bytes);
    }
    await s.blocks.during(async () => {});
    await s.close();
    const check = checkPacks(join(s.dir, 'public'), [last.toString()], new AbortController().signal);
    expect(await check).toMatchObject({ blocks: 61, faults: [], incomplete: [] });
    const again = await reopened(s.dir);
    expect(await again.has(last.toString())).toBe(true);
    await again.pin([last.toString()], 'run');
    expect(await again.collect({ graceSeconds: -10 })).toMatchObject({ blocks: 0 });
  });

  it('are opened unread where the process before closed them, and one without a block is removed', async () => {
    const s = await store();
    const { root } = await s.importTar(await tar(files(3, 500)), { into: s.public });
    await s.close();
    await writeFile(join(s.dir, 'public/9.car'), '');
    await reopened(s.dir).then((again) => again.close());
    expect(await packsOf(join(s.dir, 'public'))).toHaveLength(1);
    const touched = [
      vi.spyOn(PackFiles.prototype, 'scan'),
      vi.spyOn(PackFiles.prototype, 'cut'),
      vi.spyOn(BlockIndex.prototype, 'dropPack'),
    ];
    onTestFinished(() => void vi.restoreAllMocks());
    const again = await reopened(s.dir);
    for (const spy of touched) expect(spy).not.toHaveBeenCalled();
    expect(await again.has(root)).toBe(true);
  });

  it('give all blocks but the damaged one where the index was lost', async () => {
    const s = await store();
    const all: string[] = [];
    for (const seed of [1, 2, 3]) all.push(await s.importBytes(noiseBytes(500, seed), { into: s.public }));
    await s.close();
    await damage(s.dir, all[1] ?? '');
    await rm(join(s.dir, 'public/index.db'));
    const again = await reopened(s.dir);
    const codes = all.map((cid) => codeOf(again.readBytes(cid, { maxBytes: 1_000 })));
    expect(await Promise.all(codes)).toEqual(['none', 'STORE_BLOCK_MISSING', 'none']);
    await again.close();
    // Without an index a block that was cut is none.
    const [pack = ''] = await packsOf(join(s.dir, 'public'));
    await truncate(pack, (await stat(pack)).size - 1);
    await rm(join(s.dir, 'public/index.db'));
    const cut = await reopened(s.dir);
    const sizes = all.map((cid) => cut.blocks.touch(CID.parse(cid)));
    expect(sizes).toEqual([500, 500, undefined]);
  });

  it('are all that is needed where one page of the index is damaged', async () => {
    const s = await store();
    const { root } = await s.importTar(await tar(files(400, 20)), { into: s.public });
    await s.close();
    const index = join(s.dir, 'public/index.db');
    const bytes = await readFile(index);
    // Behind the first pages, which hold the tables.
    bytes.fill(0xff, 3 * 4096, 5 * 4096);
    await writeFile(index, bytes);
    const again = await reopened(s.dir);
    expect(await again.has(root)).toBe(true);
  });

  it('are not opened where a folder lies in the place of the index', async () => {
    const dir = await folder();
    await mkdir(join(dir, 'public/index.db'), { recursive: true });
    await expect(openStore({ dir })).rejects.toMatchObject({
      code: 'STORE_UNWRITABLE',
      message: expect.stringContaining('index.db'),
    });
  });

  it('are refused to a second process and to an older version', async () => {
    const s = await store();
    expect(await codeOf(openStore({ dir: s.dir }))).toBe('STORE_IN_USE');
    await s.close();
    const db = new DatabaseSync(join(s.dir, 'public/index.db'));
    db.exec('PRAGMA user_version = 99');
    db.close();
    expect(await codeOf(openStore({ dir: s.dir }))).toBe('HOME_NEWER');
    const file = join(await folder(), 'file');
    await writeFile(file, '');
    expect(await codeOf(openStore({ dir: file }))).toBe('STORE_UNWRITABLE');
  });

  it('give their room back: what is mostly dead is rewritten while others read', async () => {
    const s = await store();
    const kept = await s.importTar(await tar(files(40, 2_000)), { into: s.public });
    const dropped = await s.importTar(await tar([{ name: 'big', body: noiseBytes(6_000_000, 77) }]), {
      into: s.public,
    });
    await s.pin([kept.root], 'kept');
    const before = await bytesOf(join(s.dir, 'public'));
    const reading = Promise.all([1, 2, 3].map(() => collect(s.exportTar(kept.root))));
    expect((await s.collect({ graceSeconds: -10 })).bytes).toBeGreaterThan(6_000_000);
    const archives = (await reading).map((chunks) => Buffer.concat(chunks).length);
    expect(new Set(archives).size).toBe(1);
    expect(await s.has(dropped.root)).toBe(false);
    expect(before).toBeGreaterThan(6_000_000);
    expect(await bytesOf(join(s.dir, 'public'))).toBeLessThan(150_000);
    await s.close();
    const again = await reopened(s.dir);
    expect((await collect(again.list(kept.root, { hash: true }))).length).toBe(47);
  });

  it('drop a damaged block while they are rewritten, and keep the rest', async () => {
    const s = await store();
    const kept = await s.importTar(await tar(files(10, 500)), { into: s.public });
    await s.importTar(await tar([{ name: 'big', body: noiseBytes(100_000, 9) }]), { into: s.public });
    await s.pin([kept.root], 'kept');
    const cid = (await collect(s.list(kept.root))).find(({ kind }) => kind === 'file')?.cid ?? '';
    await damage(s.dir, cid);
    await s.collect({ graceSeconds: -10 });
    expect(await s.has(kept.root)).toBe(false);
    await s.importTar(await tar(files(10, 500)), { into: s.public });
    expect(await s.has(kept.root)).toBe(true);
  });

  it('of a large sealed area move as they are, also when a crash came right after', async () => {
    const s = await store();
    const area = s.sealed('large');
    const { root } = await s.importTar(await tar([{ name: 'big', body: noiseBytes(9_000_000) }]), {
      into: area,
    });
    const [pack] = await packsOf(join(s.dir, 'sealed'));
    const { ino } = await stat(pack ?? '');
    await s.publish(area);
    const there = await Promise.all((await packsOf(join(s.dir, 'public'))).map((file) => stat(file)));
    expect(there.map((one) => one.ino)).toEqual([ino]);
    await s.close();
    // The rename was done, the index never heard of it.
    const db = new DatabaseSync(join(s.dir, 'public/index.db'));
    db.exec('DELETE FROM blocks; DELETE FROM packs');
    db.close();
    const again = await reopened(s.dir);
    expect(await again.has(root)).toBe(true);
  });

  it('leave one file for many small builds', async () => {
    const s = await store();
    for (let build = 0; build < 20; build += 1) {
      const area = s.sealed(`lease-${build}`);
      await s.importTar(await tar(files(3, 100, build * 10 + 1)), { into: area });
      await s.publish(area);
    }
    expect((await packsOf(join(s.dir, 'public'))).length).toBe(1);
    expect(await s.sealedNames()).toEqual([]);
  });

  it('say STORE_DISK_FULL when there is no room, to every import that lost a block, and go on when there is', async () => {
    const dir = await folder();
    await mkdir(join(dir, 'disk'));
    const program = join(import.meta.dirname, 'fixtures', 'full-disk.ts');
    const script = 'mount -t tmpfs -o size=4m none "$0" && exec "$@" "$0"';
    const words = [process.execPath, '--disable-warning=ExperimentalWarning', program];
    const within = ['-Urm', 'sh', '-c', script, join(dir, 'disk'), ...words];
    const out = execFileSync('unshare', within, { encoding: 'utf8', timeout: 120_000 });
    expect(JSON.parse(out)).toEqual({
      large: 'STORE_DISK_FULL',
      beside: 'STORE_DISK_FULL',
      before: true,
      after: true,
    });
  });
});
