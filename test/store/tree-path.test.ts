import { setTimeout } from 'node:timers/promises';
import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import type { CID } from 'multiformats/cid';
import { pack } from 'tar-stream';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { pbCode } from '../../src/protocol/base/car.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { cidOf } from '../../src/store/file-import.ts';
import type { Store } from '../../src/store/index.ts';
import type { BlockReader } from '../../src/store/nodes.ts';
import { entryAt } from '../../src/store/tree-path.ts';
import { walkTree } from '../../src/store/tree-walk.ts';
import { codeOf, store, tar } from './support.ts';

const many = 3_000;
const nameOf = (n: number): string => `file-${'x'.repeat(200)}-${n}`;

/** A tree with a folder of so many files, which is sharded, and a reader that counts the blocks it is asked for. */
async function sharded() {
  const own = await store();
  const names = Array.from({ length: many }, (_, n) => ({ name: `many/${nameOf(n)}`, body: String(n) }));
  const { root } = await own.importTar(await tar([...names, { name: 'few/é', body: 'x' }]), {
    into: own.public,
  });
  return { own, root, ...counting(own) };
}

function counting({ blocks }: Pick<Store, 'blocks'>) {
  const read: string[] = [];
  const reader: BlockReader = {
    read(cid: CID) {
      read.push(cid.toString());
      return blocks.read(cid);
    },
    size: (cid: CID) => blocks.touch(cid),
  };
  return { read, reader };
}

describe('a path of a tree', () => {
  it('is resolved with one block for each level, whatever the number of names beside it, as its first entries are', async () => {
    const { own, root, reader, read } = await sharded();
    for (const n of [0, 1, 7, 255, 2711, many - 1]) {
      read.length = 0;
      const path = `many/${nameOf(n)}`;
      expect(await entryAt({ root, blocks: reader }, path)).toMatchObject({
        path,
        kind: 'file',
        size: String(n).length,
      });
      // The root, the folder, its shards.
      expect(read.length).toBeLessThanOrEqual(5);
    }
    read.length = 0;
    for (const path of [
      'many/nofile',
      `many/file-${'x'.repeat(200)}`,
      'many/00',
      'many/..',
      'few/e',
      `many/${nameOf(1)}/x`,
      `many/${nameOf(many)}`,
    ])
      expect(await entryAt({ root, blocks: reader }, path)).toBeUndefined();
    expect(read.length).toBeLessThanOrEqual(7 * 5);
    expect(await entryAt({ root, blocks: reader }, 'few/é')).toMatchObject({ kind: 'file', size: 1 });
    expect(await entryAt({ root, blocks: reader }, '')).toMatchObject({ path: '', kind: 'dir' });
    read.length = 0;
    const found: string[] = [];
    for await (const { path } of walkTree(reader, own.blocks.parse(root), { atMost: 20 })) found.push(path);
    expect(found).toHaveLength(2 + 1 + 20);
    expect(read.length).toBeLessThan(60);
  });

  it('is given up with its signal', async () => {
    const own = await store();
    const { root } = await own.importTar(await tar([{ name: 'many/file-1', body: 'x' }]), {
      into: own.public,
    });
    const { reader, read } = counting(own);
    const gone = AbortSignal.abort(new Error('gone'));
    await expect(entryAt({ root, blocks: reader }, 'many/file-1', gone)).rejects.toThrow('gone');
    expect(read).toEqual([]);
  });

  it('of a folder that shards in another way is refused', async () => {
    const own = await store();
    const data = new UnixFS({ type: 'hamt-sharded-directory', hashType: 0x22n, fanout: 1024n });
    const bytes = encode(prepare({ Data: data.marshal(), Links: [] }));
    const cid = cidOf(pbCode, bytes);
    await own.blocks.put(cid, bytes);
    expect(await codeOf(entryAt({ root: cid.toString(), blocks: counting(own).reader }, 'x'))).toBe(
      'STORE_TREE_MALFORMED',
    );
  });

  it('ends where no tree goes on, however many folders its builder nested', async () => {
    const nested = new Map<string, Uint8Array>();
    const folderOf = (links: { Name: string; Hash: CID }[]): CID => {
      const Data = new UnixFS({ type: 'directory' }).marshal();
      const bytes = encode(prepare({ Data, Links: links.map((link) => ({ ...link, Tsize: 1 })) }));
      const cid = cidOf(pbCode, bytes);
      nested.set(cid.toString(), bytes);
      return cid;
    };
    let root = folderOf([]);
    for (let n = 0; n < 500; n++) root = folderOf([{ Name: 'a', Hash: root }]);
    let reads = 0;
    const blocks: BlockReader = {
      async read(cid) {
        reads++;
        return nested.get(cid.toString()) ?? Buffer.alloc(0);
      },
      size: () => 0,
    };
    const at = (depth: number) => entryAt({ root: root.toString(), blocks }, 'a/'.repeat(depth));
    expect(await at(limits.pathDepthMax)).toMatchObject({ kind: 'dir' });
    reads = 0;
    expect([await at(limits.pathDepthMax + 1), await at(400), reads]).toEqual([undefined, undefined, 0]);
  });
});

describe('an archive of a tree', () => {
  it('of folders is made as it is taken', async () => {
    const own = await store();
    const entries = Array.from({ length: 5_000 }, (_, n) => ({
      name: `folder-${n}`,
      type: 'directory' as const,
    }));
    const { root } = await own.importTar(await tar(entries), { into: own.public });
    const entry = vi.spyOn(Object.getPrototypeOf(pack()) as ReturnType<typeof pack>, 'entry');
    onTestFinished(() => entry.mockRestore());
    const chunks = own.exportTar(root)[Symbol.asyncIterator]();
    await chunks.next();
    await setTimeout(300);
    expect(entry.mock.calls.length).toBeGreaterThan(0);
    expect(entry.mock.calls.length).toBeLessThan(1_000);
    let bytes = 512;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
      bytes += next.value.length;
    expect(bytes).toBeGreaterThanOrEqual(5_000 * 512);
  });
});
