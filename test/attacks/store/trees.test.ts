import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encode, type PBLink, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { identity } from 'multiformats/hashes/identity';
import { sha256 } from 'multiformats/hashes/sha2';
import { describe, expect, it, onTestFinished } from 'vitest';
import { limits } from '../../../src/protocol/base/limits.ts';
import { Blocks } from '../../../src/store/blocks.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { codeOf, collect, folder } from '../../store/support.ts';
import { withLimits } from '../../support/with-limits.ts';

/** Writes blocks that no correct tool would, past our importer, as a hostile peer's tree would arrive. */
class Forge {
  readonly #blocks: Blocks;

  constructor(blocks: Blocks) {
    this.#blocks = blocks;
  }

  async node(unixfs: UnixFS, links: PBLink[] = []): Promise<CID> {
    const bytes = encode(prepare({ Data: unixfs.marshal(), Links: links }));
    const cid = CID.createV1(0x70, await sha256.digest(bytes));
    await this.#blocks.put(cid, bytes);
    return cid;
  }

  async raw(text: string): Promise<CID> {
    const bytes = Buffer.from(text);
    const cid = CID.createV1(0x55, await sha256.digest(bytes));
    await this.#blocks.put(cid, bytes);
    return cid;
  }

  folder(
    children: [string, CID][],
    type: 'directory' | 'hamt-sharded-directory' = 'directory',
  ): Promise<CID> {
    const links = children.map(([Name, Hash]) => ({ Name, Hash, Tsize: 1 }));
    return this.node(
      new UnixFS(type === 'directory' ? { type } : { type, fanout: 256n, hashType: 0x22n }),
      links,
    );
  }

  link(target: string): Promise<CID> {
    return this.node(new UnixFS({ type: 'symlink', data: Buffer.from(target) }));
  }
}

/** A store that holds the tree `make` forged. */
async function forged(make: (f: Forge) => Promise<CID>): Promise<{ s: Store; root: string }> {
  const dir = await folder();
  const blocks = await Blocks.open(join(dir, 'public'));
  const root = (await make(new Forge(blocks))).toString();
  await blocks.close();
  const s = await openStore({ dir });
  onTestFinished(() => s.close());
  return { s, root };
}

describe('a tree made by hand to hurt who writes it out', () => {
  it('is written out when it is harmless: the control', async () => {
    const { s, root } = await forged(async (f) =>
      f.folder([
        ['ok', await f.raw('x')],
        ['l', await f.link('ok')],
      ]),
    );
    const base = await folder();
    await s.exportDirectory(root, join(base, 'out'));
    expect((await readdir(join(base, 'out'))).sort()).toEqual(['l', 'ok']);
  });

  const bad: [string, string, (f: Forge) => Promise<CID>][] = [
    ['a name with a slash', 'STORE_NAME_REFUSED', async (f) => f.folder([['../loot', await f.raw('x')]])],
    ['a name ".."', 'STORE_NAME_REFUSED', async (f) => f.folder([['..', await f.raw('x')]])],
    ['an empty name', 'STORE_NAME_REFUSED', async (f) => f.folder([['', await f.raw('x')]])],
    ['a NUL', 'STORE_NAME_REFUSED', async (f) => f.folder([['a\0b', await f.raw('x')]])],
    ['a control character', 'STORE_NAME_REFUSED', async (f) => f.folder([['a\tb', await f.raw('x')]])],
    ['turned text', 'STORE_NAME_REFUSED', async (f) => f.folder([['a\u202eb', await f.raw('x')]])],
    [
      'one name twice',
      'STORE_PATH_CASE_CONFLICT',
      async (f) =>
        f.folder([
          ['a', await f.raw('x')],
          ['a', await f.raw('y')],
        ]),
    ],
    [
      'names differing in case',
      'STORE_PATH_CASE_CONFLICT',
      async (f) =>
        f.folder([
          ['a', await f.raw('x')],
          ['A', await f.raw('y')],
        ]),
    ],
    ['a link out', 'STORE_LINK_ESCAPES', async (f) => f.folder([['l', await f.link('../../etc/passwd')]])],
    ['an absolute link', 'STORE_LINK_ESCAPES', async (f) => f.folder([['l', await f.link('/etc/passwd')]])],
    [
      'links that leave together',
      'STORE_LINK_ESCAPES',
      async (f) =>
        f.folder([
          ['a', await f.link('.')],
          ['l', await f.link('a/../x')],
        ]),
    ],
    [
      'a file as root',
      'STORE_TREE_MALFORMED',
      (f) => f.node(new UnixFS({ type: 'file', data: Buffer.from('x') })),
    ],
    [
      'a name with ".." in a shard',
      'STORE_NAME_REFUSED',
      async (f) => f.folder([['A0..', await f.raw('x')]], 'hamt-sharded-directory'),
    ],
    [
      'a file larger than it says',
      'STORE_TREE_MALFORMED',
      async (f) => {
        const unixfs = new UnixFS({ type: 'file', blockSizes: [1n] });
        return f.folder([['a', await f.node(unixfs, [{ Name: '', Hash: await f.raw('xyz'), Tsize: 3 }])]]);
      },
    ],
    [
      'a file smaller than it says',
      'STORE_TREE_MALFORMED',
      async (f) => {
        const unixfs = new UnixFS({ type: 'file', blockSizes: [9n] });
        return f.folder([['a', await f.node(unixfs, [{ Name: '', Hash: await f.raw('xyz'), Tsize: 3 }])]]);
      },
    ],
    [
      'bytes nobody hashed',
      'STORE_CID_REFUSED',
      async (f) => f.folder([['a', CID.createV1(0x55, identity.digest(Buffer.from('x')))]]),
    ],
    [
      'folders without end from a few blocks',
      'STORE_PATH_TOO_DEEP',
      async (f) => {
        let cid = await f.folder([]);
        for (let level = 0; level < 80; level += 1) cid = await f.folder([['d', cid]]);
        return cid;
      },
    ],
    [
      'millions of files from a few shards',
      'STORE_TREE_TOO_MANY_ENTRIES',
      async (f) => {
        let cid = await f.raw('x');
        for (let level = 0; level < 4; level += 1) {
          const child = cid;
          const name = (index: number): string => index.toString(16).toUpperCase().padStart(2, '0');
          const links = Array.from({ length: 256 }, (_, index): [string, CID] => [
            level === 0 ? `${name(index)}n${index}` : name(index),
            child,
          ]);
          cid = await f.folder(links, 'hamt-sharded-directory');
        }
        return cid;
      },
    ],
    [
      'terabytes from a few blocks',
      'STORE_TREE_TOO_LARGE',
      async (f) => {
        const part = await f.raw('x'.repeat(1000));
        let cid = part;
        let size = 1000n;
        for (let level = 0; level < 4; level += 1) {
          const links = Array.from({ length: 250 }, () => ({ Name: '', Hash: cid, Tsize: 1 }));
          cid = await f.node(new UnixFS({ type: 'file', blockSizes: links.map(() => size) }), links);
          size *= 250n;
        }
        return f.folder([['bomb', cid]]);
      },
    ],
  ];
  it.each(bad)('%s: is refused with %s and leaves nothing behind', async (_, code, make) => {
    withLimits(limits, { treeEntriesMax: 20_000 });
    const { s, root } = await forged(make);
    const base = await folder();
    expect(await codeOf(s.exportDirectory(root, join(base, 'out')))).toBe(code);
    expect(await readdir(base)).toEqual([]);
    expect(await codeOf(collect(s.exportTar(root)))).toBe(code);
  });
});
