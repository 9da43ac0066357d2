import { encode, prepare } from '@ipld/dag-pb';
import { murmur364 } from '@multiformats/murmur3';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import * as digest from 'multiformats/hashes/digest';
import { describe, expect, it } from 'vitest';
import { pbCode, rawCode } from '../../src/protocol/base/car.ts';
import { firstDifference } from '../../src/store/file-diff.ts';
import { cidOf } from '../../src/store/file-import.ts';
import { type BlockReader, BoundedReader, parseCid } from '../../src/store/nodes.ts';
import { diffTrees } from '../../src/store/tree-diff.ts';
import { entryAt } from '../../src/store/tree-path.ts';
import { checkDepth, fileBytes, visits, walkTree } from '../../src/store/tree-walk.ts';
import { MemoryBlocks } from '../fuzz/targets/blocks.ts';
import { type Bound, holds, unless } from '../protocol/taken.ts';
import { collect } from './support.ts';

/** Nodes that no importer writes. */
class Forge extends MemoryBlocks {
  raw(text: string): CID {
    return this.add(Buffer.from(text), rawCode);
  }

  node(unixfs: UnixFS, links: [name: string, cid: CID][] = []): CID {
    const Links = links.map(([Name, Hash]) => ({ Name, Hash, Tsize: 1 }));
    return this.add(encode(prepare({ Data: unixfs.marshal(), Links })), pbCode);
  }

  file(parts: [cid: CID, bytes: number][], data?: string): CID {
    const blockSizes = parts.map(([, bytes]) => BigInt(bytes));
    const unixfs = new UnixFS({ type: 'file', blockSizes, ...(data && { data: Buffer.from(data) }) });
    return this.node(
      unixfs,
      parts.map(([cid]) => ['', cid]),
    );
  }

  /** A chunk below so many nodes. */
  chain(text: string, levels: number): CID {
    let cid = this.raw(text);
    for (let level = 0; level < levels; level++) cid = this.file([[cid, text.length]]);
    return cid;
  }

  folder(...entries: [name: string, cid: CID][]): CID {
    return this.node(new UnixFS({ type: 'directory' }), entries);
  }

  shard(...entries: [name: string, cid: CID][]): CID {
    return this.node(new UnixFS({ type: 'hamt-sharded-directory', fanout: 256n, hashType: 0x22n }), entries);
  }

  /** A folder of one entry, below so many shards. */
  shards(text: string, levels: number): CID {
    let cid = this.shard(['00x', this.raw(text)]);
    for (let level = 0; level < levels; level++) cid = this.shard(['00', cid]);
    return cid;
  }
}

const malformed = (says: string) => ({
  code: 'STORE_TREE_MALFORMED',
  message: expect.stringContaining(says) as string,
});

describe('a file made of nodes', () => {
  const compare = (blocks: Forge, cid: CID) =>
    firstDifference({ root: `${cid}`, blocks }, { root: `${blocks.raw('another')}`, blocks });
  const read = (blocks: Forge, cid: CID) => collect(fileBytes(blocks, cid));

  it('may have eight levels', async () => {
    const blocks = new Forge();
    const file = blocks.chain('a chunk', 8);
    expect(Buffer.concat(await read(blocks, file)).toString()).toBe('a chunk');
    expect(await compare(blocks, file)).toMatchObject({ offset: 1 });
  });

  it.each<[string, (blocks: Forge) => CID]>([
    ['too many levels', (f) => f.chain('a chunk', 9)],
    ['is not a file', (f) => f.folder()],
    ['is not a file', (f) => f.file([[f.folder(), 7]])],
    ['both bytes and links', (f) => f.file([[f.raw('a chunk'), 7]], 'more')],
    [
      'does not state the size of each part',
      (f) => f.node(new UnixFS({ type: 'file' }), [['', f.raw('a chunk')]]),
    ],
    [
      'does not state the size of each part',
      (f) => f.node(new UnixFS({ type: 'file', blockSizes: [7n, 7n] }), [['', f.raw('a chunk')]]),
    ],
    ['has an empty part', (f) => f.file([[f.raw(''), 0]])],
  ])('that %s is refused', async (says, make) => {
    const blocks = new Forge();
    const file = make(blocks);
    await expect(read(blocks, file)).rejects.toMatchObject(malformed(says));
    await expect(compare(blocks, file)).rejects.toMatchObject(malformed(says));
  });

  it.each([
    ['larger', 6],
    ['smaller', 8],
  ])('is refused where a part is %s than is stated', async (says, bytes) => {
    const blocks = new Forge();
    const file = blocks.file([[blocks.raw('a chunk'), bytes]]);
    await expect(read(blocks, file)).rejects.toMatchObject(malformed(`is ${says} than its parent states`));
    await expect(compare(blocks, file)).rejects.toMatchObject(malformed(`7 bytes, and ${bytes} are stated`));
  });

  it('is the same as its only part, which is not read for that', async () => {
    const blocks = new Forge();
    const part = cidOf(rawCode, Buffer.from('a chunk'));
    const [same, other] = [blocks.file([[part, 7]]), blocks.file([[blocks.file([[part, 7]]), 7]])];
    expect(await firstDifference({ root: `${other}`, blocks }, { root: `${same}`, blocks })).toBeUndefined();
  });

  it('gives what its parts are, and nothing for one that is empty', async () => {
    const blocks = new Forge();
    const parts = blocks.file([
      [blocks.raw('ab'), 2],
      [blocks.file([], 'c'), 1],
    ]);
    expect((await read(blocks, parts)).map(String)).toHaveLength(2);
    expect(Buffer.concat(await read(blocks, parts)).toString()).toBe('abc');
    expect(await read(blocks, blocks.raw(''))).toEqual([]);
    expect(await read(blocks, blocks.file([]))).toEqual([]);
  });
});

describe('a folder made of nodes', () => {
  const walk = (blocks: Forge, cid: CID) => collect(walkTree(blocks, cid));

  it('may be sharded at eight levels below the first, and have a file of 2^53 - 1 bytes', async () => {
    const blocks = new Forge();
    expect((await walk(blocks, blocks.shards('1', 8))).map(({ path }) => path)).toEqual(['x']);
    const trees = ['1', '2'].map((text) => ({ root: `${blocks.shards(text, 8)}`, blocks }));
    const [a, b] = trees as [(typeof trees)[0], (typeof trees)[0]];
    expect(await collect(diffTrees(a, b))).toMatchObject([{ path: 'x', change: 'changed' }]);
    const large = blocks.folder(['x', blocks.file([[blocks.raw('1'), Number.MAX_SAFE_INTEGER]])]);
    expect(await walk(blocks, large)).toMatchObject([{ size: Number.MAX_SAFE_INTEGER }]);
  });

  it.each<[string, (blocks: Forge) => CID]>([
    ['is not a folder', (f) => f.raw('1')],
    ['is not a folder', (f) => f.file([])],
    ['is not UnixFS', (f) => f.add(Buffer.from('?'), pbCode)],
    ['is not UnixFS', (f) => f.add(encode(prepare({ Links: [] })), pbCode)],
    ['sharded too deeply', (f) => f.shards('1', 9)],
    ['without its prefix', (f) => f.shard(['x', f.raw('1')])],
    ['without its prefix', (f) => f.shard(['aa', f.shard()])],
    ['is not a shard', (f) => f.shard(['00', f.raw('1')])],
    ['is not a shard', (f) => f.shard(['00', f.folder()])],
    ['is a metadata', (f) => f.folder(['x', f.node(new UnixFS({ type: 'metadata' }))])],
    ['an impossible size', (f) => f.folder(['x', f.file([[f.raw('1'), 2 ** 53]])])],
  ])('that %s is refused', async (says, make) => {
    const blocks = new Forge();
    await expect(walk(blocks, make(blocks))).rejects.toMatchObject(malformed(says));
  });

  it('is refused where it has no data, with that as the cause', async () => {
    const blocks = new Forge();
    const bare = blocks.add(encode(prepare({ Links: [] })), pbCode);
    await expect(walk(blocks, bare)).rejects.toMatchObject({ cause: { message: 'no UnixFS data' } });
  });

  it('is not looked through below eight shards for one path', async () => {
    const blocks = new Forge();
    const hash = (await murmur364.encode(Buffer.from('x'))).subarray(0, 8);
    const prefixes = [...hash].map((byte) => byte.toString(16).toUpperCase().padStart(2, '0'));
    let [endless, found] = [blocks.shard(), blocks.shard([`${prefixes.at(-1)}x`, blocks.raw('1')])];
    for (const [n, prefix] of prefixes.toReversed().entries()) {
      endless = blocks.shard([prefix, endless]);
      if (n > 0) found = blocks.shard([prefix, found]);
    }
    expect(await entryAt({ root: `${found}`, blocks }, 'x')).toMatchObject({ path: 'x', size: 1 });
    expect(await entryAt({ root: `${found}`, blocks }, 'y')).toBeUndefined();
    await expect(entryAt({ root: `${endless}`, blocks }, 'x')).rejects.toMatchObject(malformed('too deeply'));
  });

  it('is refused by a comparison where both sides are sharded too deeply', async () => {
    const blocks = new Forge();
    const [a, b] = ['1', '2'].map((text) => ({ root: `${blocks.shards(text, 9)}`, blocks }));
    if (a === undefined || b === undefined) throw new Error('two trees');
    await expect(collect(diffTrees(a, b))).rejects.toMatchObject(malformed('sharded too deeply'));
    const empty = { root: `${blocks.shard()}`, blocks };
    await expect(collect(diffTrees(empty, a))).rejects.toMatchObject(malformed('sharded too deeply'));
  });

  it('tells the size of a file whose block it has to read for that, and that one is missing', async () => {
    const blocks = new Forge();
    const tree = blocks.folder(['x', blocks.raw('some')]);
    const unsized: BlockReader = { read: (cid) => blocks.read(cid), size: () => undefined };
    expect(await collect(walkTree(unsized, tree))).toMatchObject([{ path: 'x', kind: 'file', size: 4 }]);
    const lacking = new Forge();
    const lacks = lacking.folder(['x', blocks.raw('some')]);
    await expect(walk(lacking, lacks)).rejects.toMatchObject({ code: 'STORE_BLOCK_MISSING' });
  });
});

const visited = (n: number) => {
  const count = visits(5);
  for (let one = 0; one < n; one++) count();
};
const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';
const bounds: Bound[] = [
  ['entries', unless(['STORE_TREE_TOO_MANY_ENTRIES'], visited), 5],
  ['folders in one another', unless(['STORE_PATH_TOO_DEEP'], checkDepth), 64],
];
describe('a tree is walked with at most so many', () => holds(bounds));

it.each([
  ['the first version', CID.createV0(digest.create(0x12, new Uint8Array(32)))],
  ['another kind of block', CID.createV1(0x71, digest.create(0x12, new Uint8Array(32)))],
  ['another hash', CID.createV1(rawCode, digest.create(0x13, new Uint8Array(32)))],
  ['a shorter hash', CID.createV1(rawCode, digest.create(0x12, new Uint8Array(20)))],
])('a CID of %s is refused', (_, odd) => {
  expect(() => parseCid(`${odd}`)).toThrow(expect.objectContaining({ code: 'STORE_CID_REFUSED' }));
});

it('a CID of 121 characters is not decoded', () => {
  const reasonOf = (text: string): string => {
    try {
      parseCid(text);
      return 'none';
    } catch (error) {
      return String(((error as Error).cause as Error | undefined)?.message);
    }
  };
  expect(reasonOf(cid)).toBe('none');
  expect(reasonOf(cid.padEnd(120, 'a'))).not.toMatch(/^over/);
  expect(reasonOf(cid.padEnd(121, 'a'))).toBe('over 120 characters');
});

it('a bounded reader gives as many blocks and bytes as it is told, and no more', async () => {
  const blocks = new Forge();
  const [four, one] = [blocks.raw('four'), blocks.raw('1')];
  const reader = (max: { blocks: number; bytes: number }) => new BoundedReader(blocks, max);
  const tooLarge = { code: 'STORE_TREE_TOO_LARGE' };
  const byBlocks = reader({ blocks: 2, bytes: 100 });
  await byBlocks.read(one);
  await byBlocks.read(one);
  await expect(byBlocks.read(one)).rejects.toMatchObject(tooLarge);
  const byBytes = reader({ blocks: 9, bytes: 4 });
  await byBytes.read(four);
  await expect(byBytes.read(one)).rejects.toMatchObject(tooLarge);
  expect(byBytes.size(four)).toBe(4);
});
