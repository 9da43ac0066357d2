import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { describe, expect, it, onTestFinished } from 'vitest';
import { pbCode } from '../../src/protocol/base/car.ts';
import { cidOf } from '../../src/store/file-import.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { diskBytes } from '../support/disk-bytes.ts';
import { tar } from './support.ts';

const MiB = 1024 * 1024;

interface Linked {
  dir: string;
  store: Store;
  root: string;
  tree: string;
  /** Contents by path. */
  files: Record<string, Buffer>;
}

/** A store whose only tree is exported, and linked to that export. */
async function linked({ reopen = false } = {}): Promise<Linked> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-test-linked-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const large = randomBytes(2.5 * MiB);
  const files = {
    'bin/large': large,
    'bin/zeros': Buffer.alloc(3 * MiB),
    'lib/same': large,
    'lib/middle': randomBytes(20_000),
    'bin/middle': randomBytes(30_000),
    // Of one chunk, the largest there is.
    'bin/chunk': randomBytes(MiB),
    'lib/least': randomBytes(16 * 1024),
    'lib/less': randomBytes(16 * 1024 - 1),
    small: randomBytes(900),
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(dir, 'in', path, '..'), { recursive: true });
    await writeFile(join(dir, 'in', path), content, { mode: path.startsWith('bin') ? 0o755 : 0o644 });
  }
  const tree = join(dir, 'tree');
  let store = await openStore({ dir: join(dir, 'store') });
  onTestFinished(() => store.close());
  const { root } = await store.importDirectory(join(dir, 'in'), { into: store.public });
  await store.pin([root], 'test');
  await store.exportDirectory(root, tree);
  expect(await store.link(root, tree)).toBe(6.5 * MiB + 50_000 + 16 * 1024);
  if (reopen) {
    await store.close();
    store = await openStore({ dir: join(dir, 'store') });
  }
  return { dir, store, root, tree, files };
}

async function expectWhole({ store, root, files, dir }: Linked): Promise<void> {
  const again = join(dir, `again-${randomBytes(4).toString('hex')}`);
  await store.exportDirectory(root, again);
  for (const [path, content] of Object.entries(files))
    expect(Buffer.compare(await readFile(join(again, path)), content), path).toBe(0);
  await rm(again, { recursive: true });
}

const packs = async ({ dir }: Linked): Promise<string[]> =>
  (await readdir(join(dir, 'store', 'public'))).filter((name) => /\.(car|file)$/.test(name)).sort();

describe('a tree whose files are on the disk anyway', () => {
  it('takes no room of its own for the larger ones, and is read as before, by a later process too', async () => {
    const made = await linked({ reopen: true });
    const store = diskBytes(join(made.dir, 'store'));
    const all = diskBytes(made.tree, join(made.dir, 'store'));
    const tree = diskBytes(made.tree);
    expect(store).toBeGreaterThan(2.5 * MiB);
    expect(all).toBeLessThan(1.2 * tree);
    await expectWhole(made);
    expect(await made.store.scrub({ bytesPerSecond: 1e12 })).toMatchObject({ damaged: 0 });
  });

  it('stays when the files are removed, and goes when nobody needs it', async () => {
    const made = await linked();
    await rm(made.tree, { recursive: true });
    await expectWhole(made);
    await made.store.unpin(made.root);
    await made.store.collect({ graceSeconds: -1 });
    expect((await packs(made)).filter((name) => name.endsWith('.file'))).toEqual([]);
    expect(await made.store.has(made.root)).toBe(false);
  });

  it('goes on in packs of its own, and leaves the files as they are', async () => {
    const made = await linked({ reopen: true });
    const before = await stat(join(made.tree, 'bin', 'large'));
    const cid = await made.store.importBytes(randomBytes(50_000), { into: made.store.public });
    expect((await made.store.readBytes(cid, { maxBytes: 1e6 })).length).toBe(50_000);
    await expectWhole(made);
    const after = await stat(join(made.tree, 'bin', 'large'));
    expect([after.size, after.mtimeMs, after.mode]).toEqual([before.size, before.mtimeMs, before.mode]);
  });

  it('is found again where the index was lost', async () => {
    const made = await linked();
    await made.store.close();
    for (const suffix of ['', '-wal', '-shm'])
      await rm(join(made.dir, 'store', 'public', `index.db${suffix}`), { force: true });
    const store = await openStore({ dir: join(made.dir, 'store') });
    onTestFinished(() => store.close());
    await expectWhole({ ...made, store });
  });

  it('is missing what somebody changed, and no other bytes are given for it', async () => {
    const made = await linked();
    await writeFile(join(made.tree, 'bin', 'large'), randomBytes(2.5 * MiB), { flag: 'r+' });
    await expect(expectWhole(made)).rejects.toMatchObject({ code: 'STORE_BLOCK_MISSING' });
    await appendFile(join(made.tree, 'lib', 'middle'), 'more');
    await made.store.close();
    const store = await openStore({ dir: join(made.dir, 'store') });
    onTestFinished(() => store.close());
    expect(await store.has(made.root)).toBe(false);
    expect(await readFile(join(made.tree, 'lib', 'middle'))).toHaveLength(20_004);
  });

  it('is kept in packs where no file can be linked to', async () => {
    const made = await linked();
    const { dev } = await stat(made.dir);
    const [elsewhere] = ['/dev/shm', '/var/tmp'].filter((folder) => statSync(folder).dev !== dev);
    if (elsewhere === undefined) return;
    const other = await mkdtemp(join(elsewhere, 'quorate-test-linked-'));
    onTestFinished(() => rm(other, { recursive: true, force: true }));
    const store = await openStore({ dir: join(other, 'store') });
    onTestFinished(() => store.close());
    const { root } = await store.importDirectory(join(made.dir, 'in'), { into: store.public });
    expect(await store.link(root, made.tree)).toBe(0);
    await expectWhole({ ...made, store });
  });
});

describe('a link to the files of a tree', () => {
  it('is not made for one that is cut otherwise than into chunks', async () => {
    const { store, dir } = await linked();
    const put = async (unixfs: UnixFS, links: CID[] = []) => {
      const Links = links.map((Hash) => ({ Name: '', Hash, Tsize: 1 }));
      const bytes = encode(prepare({ Data: unixfs.marshal(), Links }));
      const cid = cidOf(pbCode, bytes);
      await store.blocks.put(cid, bytes);
      return cid;
    };
    const chunk = randomBytes(20_000);
    const raw = CID.parse(await store.importBytes(chunk, { into: store.public }));
    const inline = await put(new UnixFS({ type: 'file', data: chunk }));
    const mixed = await put(new UnixFS({ type: 'file', blockSizes: [20_000n, 20_000n] }), [inline, raw]);
    let deep = raw;
    for (let level = 0; level < 9; level++)
      deep = await put(new UnixFS({ type: 'file', blockSizes: [20_000n] }), [deep]);
    const treeOf = async (cid: CID) => {
      const Data = new UnixFS({ type: 'directory' }).marshal();
      const bytes = encode(prepare({ Data, Links: [{ Name: 'f', Hash: cid, Tsize: 1 }] }));
      const root = cidOf(pbCode, bytes);
      await store.blocks.put(root, bytes);
      return root.toString();
    };
    const at = join(dir, 'other');
    await mkdir(at);
    await writeFile(join(at, 'f'), Buffer.concat([chunk, chunk]));
    expect(await store.link(await treeOf(mixed), at)).toBe(0);
    // Its mode is not that of an executable, so that its block is no frame.
    expect(await store.link(await treeOf(inline), at)).toBe(0);
    await expect(store.link(await treeOf(deep), at)).rejects.toMatchObject({
      code: 'STORE_TREE_MALFORMED',
      message: expect.stringContaining('too many levels'),
    });
  });

  it('says where a file is not there', async () => {
    const { store, dir } = await linked();
    const { root } = await store.importTar(await tar([{ name: 'f', body: randomBytes(20_000) }]), {
      into: store.public,
    });
    await expect(store.link(root, join(dir, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
