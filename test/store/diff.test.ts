import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/protocol/base/limits.ts';
import { firstDifference } from '../../src/store/file-diff.ts';
import type { Store, Tree } from '../../src/store/index.ts';
import { BoundedReader } from '../../src/store/nodes.ts';
import { type Difference, diffTrees } from '../../src/store/tree-diff.ts';
import { withLimits } from '../support/with-limits.ts';
import { codeOf, collect, damage, noiseBytes, store, type TarEntry, tar } from './support.ts';

type Opened = Awaited<ReturnType<typeof store>>;

async function tree(s: Store, entries: TarEntry[]): Promise<Tree> {
  return s.tree((await s.importTar(await tar(entries), { into: s.public })).root);
}

const said = (found: Difference[]): string[] => found.map(({ path, change }) => `${change} ${path}`);
const differences = async (a: Tree, b: Tree): Promise<string[]> => said(await collect(diffTrees(a, b)));

/** Stores a node of these links and returns its CID. */
async function node(
  s: Opened,
  type: 'file' | 'directory' | 'hamt-sharded-directory',
  links: [string, CID, bytes?: number][],
): Promise<CID> {
  const unixfs = new UnixFS({
    type,
    ...(type === 'hamt-sharded-directory' && { hashType: 0x22n, fanout: 256n }),
  });
  for (const [, , bytes] of links) if (type === 'file') unixfs.addBlockSize(BigInt(bytes ?? 0));
  const bytes = encode(
    prepare({
      Data: unixfs.marshal(),
      Links: links.map(([Name, Hash]) => ({ Name, Hash, Tsize: 1 })),
    }),
  );
  const cid = CID.createV1(0x70, await sha256.digest(bytes));
  await s.blocks.during(() => s.blocks.put(cid, bytes));
  return cid;
}

async function leaf(s: Opened, text: string): Promise<CID> {
  return CID.parse(await s.importBytes(Buffer.from(text), { into: s.public }));
}

/** Names so long that a thousand entries are a HAMT, of two levels. */
const many = (count: number, changed: Record<string, string | undefined> = {}): TarEntry[] =>
  Array.from({ length: count }, (_, n) => `file-${'x'.repeat(230)}-${n}`)
    .filter((name) => !(name in changed) || changed[name] !== undefined)
    .map((name) => ({ name, body: changed[name] ?? 'same' }));

describe('the differences of two trees', () => {
  it('are what was added, removed and changed, of both sides', async () => {
    const s = await store();
    const same = { name: 'same/deep/file', body: 'same' };
    const a = await tree(s, [
      same,
      { name: 'd/gone', body: '1' },
      { name: 'd/other', body: '1' },
      { name: 'kind', body: 'file' },
      { name: 'link', type: 'symlink', linkname: 'kind' },
    ]);
    const area = s.sealed('b');
    const { root } = await s.importTar(
      await tar([
        same,
        { name: 'd/other', body: '1', mode: 0o755 },
        { name: 'd/new/below', body: '2' },
        { name: 'kind/f', body: '' },
        { name: 'link', type: 'symlink', linkname: 'd' },
      ]),
      { into: area },
    );
    const b = s.tree(root, { from: area });
    const found = await collect(diffTrees(a, b));
    expect(found).toMatchObject([
      { path: 'd/gone', change: 'removed', a: { kind: 'file', size: 1, executable: false } },
      { path: 'd/new', change: 'added', b: { kind: 'dir' } },
      { path: 'd/other', change: 'changed', a: { executable: false }, b: { executable: true, size: 1 } },
      { path: 'kind', change: 'changed', a: { kind: 'file' }, b: { kind: 'dir' } },
      { path: 'link', change: 'changed', a: { target: 'kind' }, b: { target: 'd' } },
    ]);
    expect([found[0]?.b, found[1]?.a]).toEqual([undefined, undefined]);
    expect(await differences(a, a)).toEqual([]);
  });

  it('are found in two stores too', async () => {
    const [s, other] = [await store(), await store()];
    expect(
      await differences(
        await tree(s, [{ name: 'x', body: '1' }]),
        await tree(other, [{ name: 'y', body: '1' }]),
      ),
    ).toEqual(['removed x', 'added y']);
  });

  it('open no folder that is the same on both sides', async () => {
    const s = await store();
    const a = await tree(s, [
      { name: 'same/f', body: '1' },
      { name: 'x', body: '1' },
    ]);
    const b = await tree(s, [
      { name: 'same/f', body: '1' },
      { name: 'x', body: '2' },
    ]);
    await damage(s.dir, (await s.resolve(a.root, 'same'))?.cid ?? '');
    expect(await differences(a, b)).toEqual(['changed x']);
  });

  it('are those of single files as well, and of a file and a folder', async () => {
    const s = await store();
    const [file, other] = [s.tree((await leaf(s, '1')).toString()), s.tree((await leaf(s, '2')).toString())];
    expect(await differences(file, other)).toEqual(['changed ']);
    expect(await differences(file, await tree(s, [{ name: 'x', body: '1' }]))).toEqual(['changed ']);
  });
});

describe('the differences of two large folders', () => {
  const first = many(1)[0]?.name ?? '';

  it('are found by reading a few of their shards, and are those of a plain walk however the entries are spread over shards', async () => {
    const s = await store();
    const a = await tree(s, many(1_500));
    const b = await tree(s, many(1_500, { [first]: 'changed', 'file-none': undefined }));
    let read = 0;
    const counting = (one: Tree): Tree => ({
      ...one,
      blocks: {
        read: (cid) => {
          read += 1;
          return one.blocks.read(cid);
        },
        size: (cid) => one.blocks.size(cid),
      },
    });
    expect(await differences(counting(a), counting(b))).toEqual([`changed ${first}`]);
    // Two roots, described and opened, and two shards a level.
    expect(read).toBeLessThanOrEqual(10);

    const names = many(1_500).map(({ name }) => name);
    const gone = Object.fromEntries(names.filter((_, n) => n % 3 === 0).map((name) => [name, undefined]));
    const changed = Object.fromEntries(names.filter((_, n) => n % 7 === 1).map((name) => [name, 'other']));
    const before = new Map(many(1_500).map(({ name, body }) => [name, body]));
    // 1,500 entries are two levels, 1,000 are fewer shards, 100 are one plain node.
    for (const entries of [many(1_500, { ...changed, ...gone }), many(100)]) {
      const other = await tree(s, entries);
      const after = new Map(entries.map(({ name, body }) => [name, body]));
      const wanted = [...before.keys()]
        .filter((name) => before.get(name) !== after.get(name))
        .sort()
        .map((name) => `${after.has(name) ? 'changed' : 'removed'} ${name}`);
      expect(await differences(a, other)).toEqual(wanted);
      expect((await differences(other, a)).length).toBe(wanted.length);
    }
  });

  it('name the folder itself where it is only encoded otherwise', async () => {
    const s = await store();
    const file = await leaf(s, '1');
    const plain = await node(s, 'directory', [['x', file]]);
    const sharded = await node(s, 'hamt-sharded-directory', [['00x', file]]);
    const tops = await Promise.all([plain, sharded].map((cid) => node(s, 'directory', [['top', cid]])));
    const [a, b] = tops.map((cid) => s.tree(cid.toString()));
    if (a === undefined || b === undefined) throw new Error('two trees');
    expect(await differences(a, b)).toEqual(['changed top']);
  });
});

describe('the differences of a hostile tree', () => {
  const against = async (s: Opened, cid: CID): Promise<string> => {
    const empty = s.tree((await node(s, 'directory', [])).toString());
    return codeOf(collect(diffTrees(empty, s.tree(cid.toString()))));
  };

  it.each([
    ['..', 'STORE_NAME_REFUSED'],
    ['a/b', 'STORE_NAME_REFUSED'],
    ['n'.repeat(limits.nameBytesMax + 1), 'STORE_PATH_TOO_LONG'],
  ])('refuse the name %j', async (name, code) => {
    const s = await store();
    expect(await against(s, await node(s, 'directory', [[name, await leaf(s, '1')]]))).toBe(code);
  });

  it('refuse two entries of one name, in a node and in two shards', async () => {
    const s = await store();
    const [one, two] = [await leaf(s, '1'), await leaf(s, '2')];
    const twice: [string, CID][] = [
      ['x', one],
      ['x', two],
    ];
    expect(await against(s, await node(s, 'directory', twice))).toBe('STORE_TREE_MALFORMED');
    const shards = await node(s, 'hamt-sharded-directory', [
      ['00x', one],
      ['01x', two],
    ]);
    expect(await against(s, shards)).toBe('STORE_TREE_MALFORMED');
  });

  it('end in a tree that is deeper than trees may be, and in one of a few blocks that is endless to walk', async () => {
    const s = await store();
    let deep = await leaf(s, '1');
    let other = await leaf(s, '2');
    for (let level = 0; level <= limits.pathDepthMax; level += 1) {
      deep = await node(s, 'directory', [['d', deep]]);
      other = await node(s, 'directory', [['d', other]]);
    }
    const [a, b] = [s.tree(deep.toString()), s.tree(other.toString())];
    expect(await codeOf(collect(diffTrees(a, b)))).toBe('STORE_PATH_TOO_DEEP');
    withLimits(limits, { treeEntriesMax: 2_000 });
    const same = await leaf(s, 'same');
    const names = Array.from({ length: 200 }, (_, n) => `n${n}`);
    const wideOf = async (text: string): Promise<CID> => {
      const last = await leaf(s, text);
      const below = await node(s, 'directory', [...names.map((n): [string, CID] => [n, same]), ['x', last]]);
      return node(
        s,
        'directory',
        names.map((n) => [n, below]),
      );
    };
    const [wide, wider] = [await wideOf('1'), await wideOf('2')];
    const [c, d] = [s.tree(wide.toString()), s.tree(wider.toString())];
    const walk = async (): Promise<void> => {
      for await (const _ of diffTrees(c, d));
    };
    expect(await codeOf(walk())).toBe('STORE_TREE_TOO_MANY_ENTRIES');
  });
});

describe('the first difference of two files', () => {
  const large = noiseBytes(5_300_000);
  const changedAt = (at: number, bytes = large): Uint8Array => {
    const copy = Uint8Array.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 0xff;
    return copy;
  };
  const stored = async (s: Opened, bytes: Uint8Array): Promise<Tree> =>
    s.tree(await s.importBytes(bytes, { into: s.public }));

  it('is at whichever byte of a large one was changed', async () => {
    const s = await store();
    const a = await stored(s, large);
    for (const at of [0, 3, 1_048_575, 1_048_576, 2_000_000, 5_299_999]) {
      const changed = changedAt(at);
      const found = await firstDifference(a, await stored(s, changed));
      const from = Math.max(0, at - 4);
      expect(found).toMatchObject({ offset: at, from });
      expect(Buffer.from(found?.a ?? [])).toEqual(Buffer.from(large.subarray(from, from + 16)));
      expect(Buffer.from(found?.b ?? [])).toEqual(Buffer.from(changed.subarray(from, from + 16)));
    }
  });

  it('is where the shorter one ends', async () => {
    const s = await store();
    const texts = ['', 'abc', 'abcd'].map((text) => Buffer.from(text));
    const [none, three, four] = await Promise.all(texts.map((bytes) => stored(s, bytes)));
    if (!none || !three || !four) throw new Error('three files');
    expect(await firstDifference(three, four)).toEqual({
      offset: 3,
      from: 0,
      a: Buffer.from('abc'),
      b: Buffer.from('abcd'),
    });
    expect(await firstDifference(four, none)).toMatchObject({ offset: 0, b: Buffer.from('') });
    const whole = await stored(s, large);
    const head = await stored(s, large.subarray(0, 1_048_576));
    expect(await firstDifference(head, whole)).toMatchObject({ offset: 1_048_576 });
  });

  it('does not exist where only the mode differs, or the chunks do', async () => {
    const s = await store();
    const { root } = await s.importTar(
      await tar([
        { name: 'a', body: large },
        { name: 'b', body: large, mode: 0o755 },
      ]),
      { into: s.public },
    );
    const [a, b] = await Promise.all(['a', 'b'].map((name) => s.resolve(root, name)));
    expect(a?.cid).not.toBe(b?.cid);
    expect(await firstDifference(s.tree(a?.cid ?? ''), s.tree(b?.cid ?? ''))).toBeUndefined();
    const parts = await node(s, 'file', [
      ['', await leaf(s, 'ab'), 2],
      ['', await leaf(s, 'c'), 1],
    ]);
    const whole = s.tree((await leaf(s, 'abc')).toString());
    expect(await firstDifference(whole, s.tree(parts.toString()))).toBeUndefined();
  });

  it('is found without reading the chunks that both have', async () => {
    const s = await store();
    // The bytes that are shown begin where the damaged chunk ends, or later.
    const places = [1_048_580, 2_000_000];
    const [a, ...changed] = await Promise.all(
      [large, ...places.map((at) => changedAt(at))].map((b) => stored(s, b)),
    );
    if (a === undefined) throw new Error('there is one');
    await damage(s.dir, await s.importBytes(large.subarray(0, 1_048_576), { into: s.public }));
    for (const [index, b] of changed.entries())
      expect(await firstDifference(a, b)).toMatchObject({ offset: places[index] });
  });

  it('ends in files of a few blocks that have more parts than can be read', async () => {
    const s = await store();
    const fileOf = async (part: string): Promise<Tree> => {
      let [cid, bytes] = [await leaf(s, part), part.length];
      for (let level = 0; level < 3; level += 1) {
        cid = await node(
          s,
          'file',
          Array.from({ length: 600 }, () => ['', cid, bytes]),
        );
        bytes *= 600;
      }
      const { blocks } = s.tree(cid.toString());
      expect(blocks).toBeInstanceOf(BoundedReader);
      return { root: cid.toString(), blocks: new BoundedReader(blocks, { blocks: 2_000, bytes: 2 ** 30 }) };
    };
    const [a, b] = [await fileOf('0'), await fileOf('00')];
    expect(await codeOf(firstDifference(a, b))).toBe('STORE_TREE_TOO_LARGE');
    const few = { root: a.root, blocks: new BoundedReader(a.blocks, { blocks: 2_000, bytes: 100 }) };
    expect(await codeOf(firstDifference(few, b))).toBe('STORE_TREE_TOO_LARGE');
  });

  it('is refused where a part states a wrong size', async () => {
    const s = await store();
    const whole = s.tree((await leaf(s, 'abc')).toString());
    for (const stated of [0, 1, 3]) {
      const file = await node(s, 'file', [['', await leaf(s, 'ab'), stated]]);
      expect(await codeOf(firstDifference(whole, s.tree(file.toString())))).toBe('STORE_TREE_MALFORMED');
    }
    const empty = await node(s, 'file', [
      ['', await leaf(s, ''), 0],
      ['', await leaf(s, 'ab'), 2],
    ]);
    expect(await codeOf(firstDifference(whole, s.tree(empty.toString())))).toBe('STORE_TREE_MALFORMED');
  });
});
