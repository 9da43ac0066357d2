import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { expect, it } from 'vitest';
import { changedPaths } from '../../src/execution/changed-paths.ts';
import { buildLimits } from '../../src/execution/limits.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { codeOf, store, tar } from '../store/support.ts';
import { withLimits } from '../support/with-limits.ts';

it('paths that differ are as many, and as long together, as they may be', async () => {
  const s = await store();
  const importing = async (names: string[]) =>
    (await s.importTar(await tar(names.map((name) => ({ name, body: '' }))), { into: s.public })).root;
  const [base, tree] = [await importing(['f']), await importing(['f', 'one', 'three', 'two'])];
  const paths = () => changedPaths(s, base, tree, new AbortController().signal);
  const all = ['one', 'three', 'two'];
  withLimits(buildLimits, { changedCharsMax: 11 });
  withLimits(limits, { treeEntriesMax: 3 });
  expect((await paths()).sort()).toEqual(all);
  withLimits(buildLimits, { changedCharsMax: 10 });
  expect(await codeOf(paths())).toBe('STORE_TREE_TOO_LARGE');
  withLimits(buildLimits, { changedCharsMax: 11 });
  withLimits(limits, { treeEntriesMax: 2 });
  expect(await codeOf(paths())).toBe('STORE_TREE_TOO_LARGE');
});

it('a commit with few files, whose paths are long, is not compared with a base path by path without end', async () => {
  const s = await store();
  const importing = async (names: string[]) =>
    (await s.importTar(await tar(names.map((name) => ({ name, body: '' }))), { into: s.public })).root;
  const folderOf = async (names: string[], of: string): Promise<string> => {
    const Links = names.map((Name) => ({ Name, Hash: CID.parse(of), Tsize: 1 }));
    const bytes = encode(prepare({ Data: new UnixFS({ type: 'directory' }).marshal(), Links }));
    const cid = CID.createV1(0x70, await sha256.digest(bytes));
    await s.blocks.during(() => s.blocks.put(cid, bytes));
    return `${cid}`;
  };
  const base = await importing(['f']);
  let tree = await importing(Array.from({ length: 150 }, (_, n) => `f${n}`));
  for (let depth = 0; depth < 15; depth++) tree = await folderOf(['d'.repeat(255)], tree);
  const paths = (names: string[]) =>
    folderOf(names, tree).then((top) => changedPaths(s, base, top, new AbortController().signal));
  expect(await paths(['a'])).toHaveLength(151);
  const many = Array.from({ length: 150 }, (_, n) => `${n}`).sort();
  expect(await codeOf(paths(many))).toBe('STORE_TREE_TOO_LARGE');
});
