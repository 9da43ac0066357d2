import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { filesTar } from '../../src/dependencies/index.ts';
import { checkDependencies, importDependencies, missingFile } from '../../src/execution/dependency-tree.ts';
import { lockFileLimits } from '../../src/execution/limits.ts';
import { lockFilesInTree } from '../../src/execution/lock-files.ts';
import {
  type DependencyIndex,
  dirhashOf,
  encodeIndex,
  type LockSources,
  makeIndex,
  readLocks,
} from '../../src/protocol/lock-formats/index.ts';
import { dependencyLimits } from '../../src/protocol/lock-formats/limits.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { npmProject } from '../dependencies/registry.ts';
import { hex, npmPackage, sri } from '../dependencies/tools/support.ts';
import { tar } from '../store/support.ts';
import { codeOf } from '../support/code-and-folder.ts';
import { withLimits } from '../support/with-limits.ts';

const signal = AbortSignal.timeout(300_000);
const one = await npmPackage('one', '1.0.0');
const other = await npmPackage('one', '1.0.1');
const large = Buffer.alloc(3_000_000, 'large');
const sources = locking({ one: sri('sha512', one) });

function locking(packages: Record<string, string>): LockSources {
  const { 'package-lock.json': lock = '' } = npmProject('https://registry.example', packages);
  const files = new Map([['package-lock.json', Buffer.from(lock)]]);
  return { locks: ['package-lock.json'], files, arch: 'x86_64' };
}

async function place(): Promise<{ dir: string; store: Store }> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-dependency-tree-'));
  const store = await openStore({ dir: join(dir, 'store') });
  onTestFinished(async () => {
    await store.close();
    await rm(dir, { recursive: true, force: true });
  });
  return { dir, store };
}

const indexOf = (of: LockSources, bytes: Buffer = one): DependencyIndex =>
  makeIndex(of, () => ({ sha256: hex('sha256', bytes), size: bytes.length }));
const indexText = (index: DependencyIndex): string => Buffer.from(encodeIndex(index).bytes).toString();

/** A tree of these files, as a stranger could make one. */
async function treeOf(store: Store, files: Record<string, string | Buffer>): Promise<string> {
  const names = Object.keys(files).sort();
  const bytes = (name: string) => Buffer.from(files[name] ?? '');
  const laid = names.map((path) => ({ path, blob: { name: path, size: bytes(path).length } }));
  const tar = filesTar(laid, async function* (name) {
    yield bytes(name);
  });
  return (await store.importTar(tar, { into: store.public })).root;
}

const honest = { 'index.json': indexText(indexOf(sources)), [`sha256/${hex('sha256', one)}`]: one };

describe('the tree of dependencies', () => {
  it('is the same from whoever fetched the same, and is read as what it was made from', async () => {
    const { dir, store } = await place();
    await writeFile(join(dir, 'one'), one);
    const fetched = readLocks(sources.locks, sources.files, sources.arch).map(
      (entry) => [entry, { path: join(dir, 'one'), size: one.length, sha256: hex('sha256', one) }] as const,
    );
    const tree = await importDependencies(store, sources, new Map(fetched), signal);
    expect(tree).toBe(await treeOf(store, honest));
    const { layout, open } = await checkDependencies(store, tree, sources, { scratch: dir, signal });
    const [blob] = layout.files.flatMap((file) => ('blob' in file ? [file.blob] : []));
    expect(blob).toEqual({ name: hex('sha256', one), size: one.length });
    const read: Uint8Array[] = [];
    for await (const chunk of open(blob?.name ?? '')) read.push(chunk);
    expect(Buffer.concat(read)).toEqual(one);
  });

  it('of a module of Go is checked by the files in its archive', async () => {
    const { dir, store } = await place();
    const mod = Buffer.from('module example.org/m\n');
    const zip = Buffer.from('no archive');
    const goSum = (of: string) =>
      `example.org/m v1.0.0 h1:${of}\nexample.org/m v1.0.0/go.mod h1:${base64(dirhashOf([{ name: 'go.mod', sha256: hex('sha256', mod) }]))}\n`;
    const files = new Map([
      ['go.sum', Buffer.from(goSum(base64('00'.repeat(32))))],
      ['go.mod', mod],
    ]);
    const go: LockSources = { locks: ['go.sum'], files, arch: 'x86_64' };
    const index = makeIndex(go, ({ file }) => {
      const bytes = file.endsWith('.zip') ? zip : mod;
      return { sha256: hex('sha256', bytes), size: bytes.length };
    });
    const tree = await treeOf(store, {
      'index.json': indexText(index),
      [`sha256/${hex('sha256', mod)}`]: mod,
      [`sha256/${hex('sha256', zip)}`]: zip,
    });
    await expect(checkDependencies(store, tree, go, { scratch: dir, signal })).rejects.toMatchObject({
      code: 'DEPENDENCIES_MISMATCH',
      message: expect.stringMatching(/the dirhash of ".*\.zip".* is not the one that the lock file says/),
    });
  });

  it('names the file that did not arrive: that of the block, else the first one', async () => {
    const { store } = await place();
    const both = locking({ large: sri('sha512', large), one: sri('sha512', one) });
    const index = makeIndex(both, ({ name }) => {
      const bytes = name === 'one' ? one : large;
      return { sha256: hex('sha256', bytes), size: bytes.length };
    });
    const tree = await treeOf(store, { 'index.json': indexText(index) });
    expect(await missingFile(store, tree, { signal })).toMatchObject({ file: 'large-1.0.0.tgz' });
    const elsewhere = await place();
    const block = await elsewhere.store.importBytes(one, { into: elsewhere.store.public });
    expect(await missingFile(store, tree, { block, signal })).toMatchObject({ file: 'one-1.0.0.tgz' });
  });
});

it('of a file that did not arrive whole is found by one of its blocks, else the first is named', async () => {
  const { store } = await place();
  const second = Buffer.alloc(3_000_000, 'second');
  const files = { a: one, b: large, c: second };
  const locks = locking(
    Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, sri('sha512', bytes)])),
  );
  const bytesOf = (name: string) => files[name as keyof typeof files];
  const index = makeIndex(locks, ({ name }) => {
    const bytes = bytesOf(name);
    return { sha256: hex('sha256', bytes), size: bytes.length };
  });
  const paths = Object.values(files).map((bytes) => [`sha256/${hex('sha256', bytes)}`, bytes]);
  const tree = await treeOf(store, { 'index.json': indexText(index), ...Object.fromEntries(paths) });
  const leafOf = async (bytes: Buffer): Promise<string> => {
    const { cid = '' } = (await store.resolve(tree, `sha256/${hex('sha256', bytes)}`)) ?? {};
    const top = store.blocks.parse(cid);
    return String(store.blocks.links(top, await store.blocks.read(top)).at(-1));
  };
  const leaves = [await leafOf(large), await leafOf(second)];
  const { store: part } = await place();
  await part.blocks.during(async () => {
    const todo = [store.blocks.parse(tree)];
    for (let cid = todo.pop(); cid !== undefined; cid = todo.pop()) {
      if (leaves.includes(String(cid))) continue;
      const bytes = await store.blocks.read(cid);
      await part.blocks.put(cid, bytes);
      todo.push(...store.blocks.links(cid, bytes));
    }
  });
  const missing = async (block?: string) => (await missingFile(part, tree, { block, signal }))?.file;
  expect(await missingFile(store, tree, { signal })).toBeUndefined();
  expect([await missing(), await missing(leaves[0]), await missing(leaves[1])]).toEqual([
    ...['b-1.0.0.tgz', 'b-1.0.0.tgz', 'c-1.0.0.tgz'],
  ]);
  // A block of none of them.
  expect(await missing(tree)).toBe('b-1.0.0.tgz');
  expect(await missingFile(part, leaves[0] ?? '', { signal })).toBeUndefined();
  const ended = AbortSignal.abort(new Error('enough'));
  await expect(missingFile(part, tree, { signal: ended })).rejects.toThrow('enough');
});

const base64 = (digest: string | undefined): string => Buffer.from(digest ?? '', 'hex').toString('base64');

/** Each differs from `honest`, which is taken (above), in one thing. */
const attacks: [string, Record<string, string | Buffer>, string][] = [
  [
    'another package under the name that the lock file has',
    { 'index.json': indexText(indexOf(sources, other)), [`sha256/${hex('sha256', other)}`]: other },
    'the sha512 of "one-1.0.0.tgz" of "pkg:npm/one@1.0.0"',
  ],
  [
    'other bytes than its index says',
    { 'index.json': honest['index.json'] ?? '', [`sha256/${hex('sha256', one)}`]: other },
    'one-1.0.0.tgz',
  ],
  ['a file more than its index', { ...honest, 'sha256/more': 'more' }, 'sha256/more'],
  ['a file more beside its index', { ...honest, more: 'more' }, '"more"'],
  ['a file less than its index', { 'index.json': honest['index.json'] ?? '' }, 'lacks sha256/'],
  ['no index', { [`sha256/${hex('sha256', one)}`]: one }, 'no index'],
  ['an index that is none', { ...honest, 'index.json': '{}' }, 'cannot be read'],
  [
    'an index for another architecture',
    { ...honest, 'index.json': indexText({ ...indexOf(sources), arch: 'aarch64' }) },
    'aarch64',
  ],
  [
    'what another lock file demands',
    { ...honest, 'index.json': indexText(indexOf(locking({ one: sri('sha512', other) }))) },
    'another "package-lock.json"',
  ],
  [
    'an index that lists a package more',
    { ...honest, 'index.json': indexText(withOneMore(indexOf(sources))) },
    'in no lock file',
  ],
];

function withOneMore(index: DependencyIndex): DependencyIndex {
  const [first] = index.blobs;
  if (first === undefined) throw new Error('an index with a blob');
  return { ...index, blobs: [...index.blobs, { ...first, purl: 'pkg:npm/two@1.0.0' }] };
}

describe('a tree of dependencies from a stranger', () => {
  it.each(attacks)('with %s is refused', async (_, files, says) => {
    const { dir, store } = await place();
    const tree = await treeOf(store, files);
    const checked = checkDependencies(store, tree, sources, { scratch: dir, signal });
    await expect(checked).rejects.toMatchObject({
      code: 'DEPENDENCIES_MISMATCH',
      message: expect.stringContaining(says),
    });
    // The message says what it is, not only that it cannot be read.
    const isRead = says !== 'cannot be read';
    expect(/cannot be read/.test((await checked.catch((error: Error) => error.message)) as string)).toBe(
      !isRead,
    );
  });

  it('with an empty folder of its own is refused', async () => {
    const { dir, store } = await place();
    const entries = await tar([
      ...Object.entries(honest).map(([name, body]) => ({ name, body: Buffer.from(body) as never })),
      { name: 'more', type: 'directory' as const },
    ]);
    const { root } = await store.importTar(entries, { into: store.public });
    await expect(checkDependencies(store, root, sources, { scratch: dir, signal })).rejects.toThrow(
      'holds a dir of its own: "more"',
    );
  });

  it('is not compared once its caller ended', async () => {
    const { dir, store } = await place();
    const tree = await treeOf(store, honest);
    const ended = AbortSignal.abort(new Error('enough'));
    const checked = checkDependencies(store, tree, sources, { scratch: dir, signal: ended });
    await expect(checked).rejects.toThrow(/^enough$/);
  });

  it('that is a file is refused', async () => {
    const { dir, store } = await place();
    const file = await store.importBytes(one, { into: store.public });
    expect(await codeOf(() => checkDependencies(store, file, sources, { scratch: dir, signal }))).toBe(
      'DEPENDENCIES_MISMATCH',
    );
  });
});

it('a lock file is read up to its bound, and what is larger only as that', async () => {
  const { store } = await place();
  withLimits(dependencyLimits, { lockBytesMax: 4 });
  withLimits(lockFileLimits, { bytesMax: 9 });
  const files = { 'a/yarn.lock': '1234', 'b/yarn.lock': '12345', 'c/yarn.lock': '123456' };
  const tree = await treeOf(store, files);
  const read = async (...paths: string[]) =>
    [...(await lockFilesInTree(store, tree, paths, { signal })).values()].map((bytes) =>
      Buffer.from(bytes).toString(),
    );
  expect(await read('a/yarn.lock', 'b/yarn.lock')).toEqual(['1234', '\0'.repeat(5)]);
  expect(await read('c/yarn.lock')).toEqual(['\0'.repeat(5)]);
  await expect(read('a/yarn.lock', 'c/yarn.lock')).rejects.toMatchObject({ code: 'LOCK_TOO_LARGE' });
});

it('lock files that are too large together are not read into memory', async () => {
  const { store } = await place();
  withLimits(lockFileLimits, { bytesMax: 2 * 1024 * 1024 });
  const big = Buffer.alloc(1024 * 1024, 'large');
  const locks = ['a/yarn.lock', 'b/yarn.lock', 'c/yarn.lock'];
  const tree = await treeOf(store, Object.fromEntries(locks.map((path) => [path, big])));
  const read = async (paths: string[]) => (await lockFilesInTree(store, tree, paths, { signal })).size;
  expect(await read(locks.slice(1))).toBe(2);
  await expect(read(locks)).rejects.toMatchObject({
    code: 'LOCK_TOO_LARGE',
    message: expect.stringMatching(/^with c\/yarn\.lock /),
  });
});
