import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import {
  checkIndexInThread,
  digestsOfBytes,
  type FetchedFile,
  filesTar,
  type Layout,
  layOut,
  type OpenBlob,
} from '../dependencies/index.ts';
import { assert, codeOf, messageOf, QuorateError } from '../protocol/base/errors.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import {
  blobKey,
  checkBlob,
  type DependencyBlob,
  decodeIndex,
  type Entry,
  encodeIndex,
  indexName,
  type LockSources,
  makeIndex,
} from '../protocol/lock-formats/index.ts';
import { dependencyLimits } from '../protocol/lock-formats/limits.ts';
import type { Store, TreeEntry } from '../store/index.ts';

const folder = 'sha256';
const pathOf = ({ sha256 }: Pick<DependencyBlob, 'sha256'>): string => `${folder}/${sha256}`;

export interface LaidDependencies {
  layout: Layout;
  open: OpenBlob;
}

/**
 * Makes the tree of what lock files demand (all of `fetched`): `index.json`, and each distinct file as `sha256/<digest>`. The same lock
 * files and bytes give the same CID. Into the public area. @throws `LOCK_…`, `STORE_…`
 */
export async function importDependencies(
  store: Store,
  sources: LockSources,
  fetched: ReadonlyMap<Entry, FetchedFile>,
  signal: AbortSignal,
): Promise<string> {
  const byKey = new Map([...fetched].map(([entry, file]) => [blobKey(entry), file]));
  const blobOf = (entry: Entry): FetchedFile => {
    const file = byKey.get(blobKey(entry));
    assert(file !== undefined, 'each entry was fetched');
    return file;
  };
  const index = makeIndex(sources, blobOf, [...fetched.keys()]);
  const byPath = new Map([...byKey.values()].map((file) => [pathOf(file), file]));
  const paths = [...byPath.keys()].sort();
  const blobs = paths.map((path) => ({ path, blob: { name: path, size: byPath.get(path)?.size ?? 0 } }));
  const top = { path: indexName, text: new TextDecoder().decode(encodeIndex(index).bytes) };
  const tar = filesTar([top, ...blobs], (name) => createReadStream(byPath.get(name)?.path ?? ''));
  const { root } = await store.importTar(tar, { into: store.public, signal });
  return root;
}

/**
 * Compares a tree in the public area with the lock files of one's own checkout: its index has to say what they demand, each file in it has to have
 * the hashes of index and lock file, and there may be nothing else. `scratch` is a folder of this process.
 * @throws DEPENDENCIES_MISMATCH, which names the first entry that differs; `LOCK_…`, `DEPENDENCIES_…`
 */
export async function checkDependencies(
  store: Store,
  tree: string,
  sources: LockSources,
  { scratch, signal }: { scratch: string; signal: AbortSignal },
): Promise<LaidDependencies> {
  const { indexBytes, files } = await readTree(store, tree, signal);
  const { entries, index } = await checkIndexInThread(indexBytes, sources, signal).catch((error) => {
    throw codeOf(error).startsWith('DOC_') ? unreadable(tree, error) : error;
  });
  const named = new Set([indexName, ...index.blobs.map(pathOf)]);
  for (const entry of files.values())
    if (!named.has(entry.path)) throw mismatch('holds a file that its index does not name', entry);
  for (const blob of index.blobs) {
    const { algorithm } = blob.integrity;
    const bytes = store.readFile(fileOf(files, blob).cid, { signal });
    const spool = join(scratch, `${tree.slice(-16)}-${blob.sha256}`);
    checkBlob(blob, await digestsOfBytes(bytes, algorithm, { name: blob.file, spool }));
  }
  const blobs = new Map(index.blobs.map((blob) => [blobKey(blob), blob]));
  const locked = entries.map((entry) => {
    const blob = blobs.get(blobKey(entry));
    assert(blob !== undefined, 'an index that was checked has each entry');
    return { ...entry, blob: { name: blob.sha256, size: blob.size } };
  });
  return {
    layout: layOut(sources.locks, locked),
    open: (sha256) => store.readFile(fileOf(files, { sha256 }).cid, { signal }),
  };
}

/**
 * The file of a tree that did not arrive: the one that a block is part of, else the first that is not here whole; undefined where
 * that cannot be told. @throws nothing but the signal's reason
 */
export async function missingFile(
  store: Store,
  tree: string,
  { block, signal }: { block?: string | undefined; signal: AbortSignal },
): Promise<DependencyBlob | undefined> {
  let first: DependencyBlob | undefined;
  try {
    const bytes = await readIndex(store, await store.resolve(tree, indexName, { signal }), signal);
    const { blobs } = decodeIndex(bytes).index;
    // A file of one block has the hash of that block.
    const digest = block === undefined ? undefined : store.blocks.parse(block).multihash.digest;
    const hex = digest === undefined ? undefined : Buffer.from(digest).toString('hex');
    const only = blobs.find(({ sha256 }) => sha256 === hex);
    if (only !== undefined) return only;
    for (const blob of blobs) {
      const entry = await store.resolve(tree, pathOf(blob), { signal }).catch(() => undefined);
      if (entry !== undefined && (await store.has(entry.cid, signal))) continue;
      first ??= blob;
      if (block === undefined || (entry !== undefined && (await linksTo(store, entry, block)))) return blob;
    }
  } catch {
    signal.throwIfAborted();
  }
  return first;
}

async function linksTo({ blocks }: Store, { cid }: TreeEntry, block: string): Promise<boolean> {
  const top = blocks.parse(cid);
  return blocks.links(top, await blocks.read(top)).some((link) => link.toString() === block);
}

async function readTree(store: Store, tree: string, signal: AbortSignal) {
  const files = new Map<string, TreeEntry>();
  try {
    for await (const entry of store.list(tree, { signal })) {
      if (entry.kind === 'dir' && entry.path === folder) continue;
      if (entry.kind !== 'file' || entry.executable)
        throw mismatch(`holds a ${entry.kind} of its own`, entry);
      files.set(entry.path, entry);
    }
    return { indexBytes: await readIndex(store, files.get(indexName), signal), files };
  } catch (error) {
    signal.throwIfAborted();
    if (codeOf(error) === 'DEPENDENCIES_MISMATCH') throw error;
    throw unreadable(tree, error);
  }
}

async function readIndex(store: Store, entry: TreeEntry | undefined, signal: AbortSignal) {
  if (entry?.kind !== 'file') throw new QuorateError('DEPENDENCIES_MISMATCH', 'the tree holds no index');
  return store.readBytes(entry.cid, { maxBytes: dependencyLimits.indexBytesMax, signal });
}

function fileOf(files: ReadonlyMap<string, TreeEntry>, blob: Pick<DependencyBlob, 'sha256'>): TreeEntry {
  const found = files.get(pathOf(blob));
  if (found === undefined) throw refused(`lacks ${pathOf(blob)}, which its index names`);
  return found;
}

const refused = (why: string, cause?: unknown): QuorateError =>
  new QuorateError('DEPENDENCIES_MISMATCH', `the tree of dependencies ${why}`, { cause });

const unreadable = (tree: string, cause: unknown): QuorateError =>
  refused(`${tree} cannot be read: ${messageOf(cause)}`, cause);

const mismatch = (what: string, { path }: TreeEntry): QuorateError =>
  refused(`${what}: "${escapeLine(path, 200)}"`);
