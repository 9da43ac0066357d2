import { execFileSync } from 'node:child_process';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unixfs } from '@helia/unixfs';
import { MemoryBlockstore } from 'blockstore-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { storeChunks } from '../../src/store/file-import.ts';
import { collect, folder, noiseBytes, pieces, store, type TarEntry, tar, tarBytes } from './support.ts';

/** Names so long that a folder of a thousand is about as large as one block of a folder may be. */
const longName = (index: number): string => `${'long-name-'.repeat(20)}${index}`;
const many = (count: number): TarEntry[] =>
  Array.from({ length: count }, (_, index) => ({ name: `many/${longName(index)}`, body: `${index}\n` }));

/** Trees and the CIDs they had when this profile was fixed. They never change: a job's meaning hangs on them. */
const golden: [string, TarEntry[], string][] = [
  ['nothing', [], 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354'],
  [
    'one small file',
    [{ name: 'hello.txt', body: 'hello\n' }],
    'bafybeigdcg7pksx2zk5336vrfsktjodlr4rbfz37qr3koc5xboxe5ekv24',
  ],
  [
    'an empty file',
    [{ name: 'empty', body: '' }],
    'bafybeigalvxqcgqiogiv6bimmxedgxbhu7cikwhwha2c2iqzdbnabewjai',
  ],
  [
    'a file of exactly one chunk',
    [{ name: 'one', body: noiseBytes(1_048_576) }],
    'bafybeicnmhmdq2lbzldvy2ijvheonht53sqggfnnk6y7sm3m6xdsapbd34',
  ],
  [
    'a file one byte over a chunk',
    [{ name: 'two', body: noiseBytes(1_048_577) }],
    'bafybeibi5i4cr4mabyuf7ganf4cwvs4fol4fxsir74ayjptvqxgnatfibe',
  ],
  [
    'an executable',
    [{ name: 'run.sh', body: '#!/bin/sh\n', mode: 0o755 }],
    'bafybeiefzhowvra2oy6oepbno75zwyafexdmywctbpvt5m4m7uqq44dp3m',
  ],
  [
    'a large executable',
    [{ name: 'run', body: noiseBytes(1_500_000), mode: 0o755 }],
    'bafybeiegetlkw37b6j2vqqqqcg6kcejwb3i3lgq6zeedgrqombobf6trjq',
  ],
  [
    'a link',
    [
      { name: 'real', body: 'x' },
      { name: 'link', type: 'symlink', linkname: 'real' },
    ],
    'bafybeig43wuvsjnpbhnqyzpmck2kr6wy4wtcfvubmridkksgwmqfhscacu',
  ],
  [
    'an empty folder',
    [{ name: 'folder/', type: 'directory' }],
    'bafybeiftjnql4xa5jd7pwvzfiz26kixolgcedmbfk4a4k266grhb7gduvu',
  ],
  [
    'nested folders and names that need care',
    [{ name: 'a/b^c/d\\e/ f /ü', body: '1' }],
    'bafybeifotafm6zg523lf332ctop2depwzwm7aisziwkfrv4nkblfojlxme',
  ],
  ['a sharded folder', many(1200), 'bafybeiezoxk4cjh6jxlylhxdvidkqi7i4w3pocpydofcau43q4osgjxism'],
];

describe('CIDs of the profile unixfs-v1-2025+x', () => {
  it.each(golden)('%s', async (_, entries, cid) => {
    const s = await store();
    expect((await s.importTar(await tar(entries), { into: s.public })).root).toBe(cid);
  });

  it('shards a folder only when its block would be over 256 KiB', async () => {
    const s = await store();
    const flat = await s.importTar(await tar(many(900)), { into: s.public });
    const sharded = await s.importTar(await tar(many(1200)), { into: s.public });
    // One block for the root, one for the folder and one for each file, or more than that.
    await s.pin([sharded.root], 'test');
    const before = await s.collect({ graceSeconds: -10 });
    expect(before.blocks).toBe(2);
    expect((await collect(s.list(sharded.root))).length).toBe(1201);
    expect(await s.has(flat.root)).toBe(false);
  });

  it("is the library's own CID for a tree that the library lays out correctly", async () => {
    const entries = [
      ...many(1200),
      { name: 'sub/big', body: noiseBytes(3_000_000) },
      { name: 'top', body: 'y' },
    ];
    const blocks = new MemoryBlockstore();
    const results = unixfs({ blockstore: blocks }).addAll(
      entries.map(({ name, body }) => ({ path: name, content: Buffer.from(body ?? '') })),
      { profile: 'unixfs-v1-2025', wrapWithDirectory: true },
    );
    const last = (await collect(results)).at(-1);
    const s = await store();
    expect((await s.importTar(await tar(entries), { into: s.public })).root).toBe(last?.cid.toString());
  });

  it("is the library's own for a file of more chunks than one node has", async () => {
    const chunks = Array.from({ length: 1030 }, (_, index) => noiseBytes(10, index + 1));
    const source = async function* () {
      for (const chunk of chunks) yield Uint8Array.from(chunk);
    };
    const { cid, dagSize } = await storeChunks(new MemoryBlockstore(), source(), true);
    const library = unixfs({ blockstore: new MemoryBlockstore() });
    const added = library.addAll([{ content: source(), mode: 0o755 }], {
      profile: 'unixfs-v1-2025',
      chunker: (bytes) => bytes,
    });
    const [expected] = await collect(added);
    expect([cid.toString(), BigInt(dagSize)]).toEqual([expected?.cid.toString(), expected?.size]);
  });

  it('does not depend on the order of the archive, even where many subfolders make a folder large', async () => {
    const entries: TarEntry[] = [];
    for (let index = 0; index < 1100; index += 1) {
      entries.push({ name: `d/${longName(index)}/`, type: 'directory' });
      entries.push({ name: `d/${longName(index)}/f`, body: 'same' });
    }
    const backwards = ({ name }: TarEntry) => name.split('').reverse().join();
    const keyed = entries.map((entry) => ({ key: backwards(entry), entry }));
    const shuffled = keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ entry }) => entry);
    const filesOnly = entries.filter(({ type }) => type !== 'directory');
    const s = await store();
    const roots = [];
    for (const order of [entries, shuffled, [...entries].reverse(), filesOnly]) {
      roots.push((await s.importTar(await tar(order), { into: s.public })).root);
    }
    expect(new Set(roots).size).toBe(1);
  });

  it('is one for a folder on disk, GNU tar of it, and our own archive of it', async () => {
    const dir = await folder();
    await mkdir(join(dir, 'bin/empty'), { recursive: true });
    await mkdir(join(dir, '.git'));
    await writeFile(join(dir, '.git/HEAD'), 'ref: refs/heads/main\n');
    await writeFile(join(dir, 'bin/tool'), noiseBytes(2_000_000));
    await chmod(join(dir, 'bin/tool'), 0o711);
    await writeFile(join(dir, `${'n'.repeat(200)}é.txt`), 'long name');
    await symlink('../bin/tool', join(dir, 'bin/link'));
    const s = await store();
    const a = await s.importDirectory(dir, { into: s.public });
    const gnu = execFileSync('tar', ['-C', dir, '--exclude=./.git', '-cf', '-', '.'], { maxBuffer: 1e8 });
    const pax = execFileSync('tar', ['-C', dir, '--exclude=./.git', '--format=pax', '-cf', '-', '.'], {
      maxBuffer: 1e8,
    });
    const b = await s.importTar(pieces(gnu), { into: s.public });
    const c = await s.importTar(pieces(pax), { into: s.public });
    const d = await s.importTar(s.exportTar(a.root), { into: s.public });
    expect([b, c, d]).toEqual([a, a, a]);
    expect(a.files.map(({ path }) => path)).toEqual(['bin/tool', `${'n'.repeat(200)}é.txt`]);
  });

  it('survives export and import, and export gives the same bytes each time', async () => {
    const name = fc
      .stringMatching(/^[a-zA-Z0-9^\\ ~é-]{1,20}$/u)
      .filter((text) => text !== '.' && text !== '..');
    const files = fc.dictionary(
      fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
      fc.record({ body: fc.uint8Array({ maxLength: 200 }), executable: fc.boolean() }),
      { maxKeys: 12 },
    );
    const s = await store();
    await fc.assert(
      fc.asyncProperty(files, async (tree) => {
        const entries = Object.entries(tree).map(([path, { body, executable }]) => ({
          name: path,
          body,
          mode: executable ? 0o755 : 0o644,
        }));
        const bytes = await tarBytes(entries);
        const first = await s
          .importTar(pieces(bytes), { into: s.public })
          .catch((error: { code: string }) => error.code);
        // Case and file/folder conflicts are refused, which is another test.
        fc.pre(typeof first !== 'string');
        const out = Buffer.concat(await collect(s.exportTar(first.root)));
        const second = await s.importTar(pieces(out), { into: s.public });
        expect(second).toEqual(first);
        expect(Buffer.concat(await collect(s.exportTar(second.root))).equals(out)).toBe(true);
        expect(first.files.length).toBe(entries.length);
      }),
      { numRuns: 60 },
    );
  });
});
