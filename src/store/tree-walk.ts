import type { CID } from 'multiformats/cid';
import { rawCode } from '../protocol/base/car.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { limits } from '../protocol/base/limits.ts';
import { storeLimits } from './limits.ts';
import { LongWork, sortInSlices } from './long-work.ts';
import { checkName, checkTarget, compareNames, foldName } from './names.ts';
import { type BlockReader, decodeUnixNode, malformed, readBlock, readNode, type UnixNode } from './nodes.ts';
import type { TreeEntry, TreeRules } from './types.ts';

export type WalkedEntry = Omit<TreeEntry, 'cid' | 'sha256'> & { cid: CID };

/** Most levels of a file's chunk tree or of a HAMT. The profile's 1,024 and 256 links per node need four. */
export const levelsMax = 8;

/** Counts the entries of one walk over an untrusted tree, `max` at most: with shared blocks a small DAG can be a huge tree. */
export function visits(max = 2 * limits.treeEntriesMax): () => void {
  let left = max;
  return () => {
    left -= 1;
    if (left < 0) throw tooManyEntries(limits.treeEntriesMax);
  };
}

export const tooManyEntries = (max: number): QuorateError =>
  new QuorateError('STORE_TREE_TOO_MANY_ENTRIES', `the tree has over ${max} entries`, {
    hint: 'Declare fewer outputs, or pack them into one file.',
  });

/** The links of a directory by name, HAMT shards opened. @throws STORE_TREE_MALFORMED, STORE_BLOCK_MISSING, codes of names; the reason of the signal */
export async function readFolder(
  blocks: BlockReader,
  cid: CID,
  path: string,
  { rules = 'portable', count = () => {}, signal, atMost }: FolderOptions = {},
): Promise<Map<string, CID>> {
  const node = await readFolderNode(blocks, cid);
  return folderOf(blocks, cid, node, path, { rules, count, atMost, slices: new LongWork(signal) });
}

interface FolderOptions {
  rules?: TreeRules | undefined;
  count?: () => void;
  signal?: AbortSignal | undefined;
  /** No more entries than this are read: of a folder in one block the first ones, of a sharded one any. */
  atMost?: number | undefined;
}

/** The top node of a folder. @throws STORE_TREE_MALFORMED, STORE_BLOCK_MISSING */
export async function readFolderNode(blocks: BlockReader, cid: CID): Promise<UnixNode> {
  const node = await readNode(blocks, cid);
  if (node.kind === 'raw' || !node.unixfs.isDirectory()) throw malformed(cid, 'is not a folder');
  return node;
}

async function folderOf(
  blocks: BlockReader,
  cid: CID,
  node: UnixNode,
  path: string,
  { rules, ...reading }: Reading & { rules: TreeRules },
): Promise<Map<string, CID>> {
  const found: [string, CID][] = [];
  await collectEntries(blocks, cid, node, found, reading, 0);
  const { slices } = reading;
  const children = await sortInSlices(found, ([a], [b]) => compareNames(a, b), slices);
  const folds = new Set<string>();
  const byName = new Map<string, CID>();
  for (const [name, child] of children) {
    checkName(name, below(path, name));
    const fold = rules === 'image' ? name : foldName(name);
    if (folds.has(fold)) {
      const says = `${printable(below(path, name))} occurs twice, or differs only in case from another`;
      throw new QuorateError('STORE_PATH_CASE_CONFLICT', says);
    }
    folds.add(fold);
    byName.set(name, child);
    if (slices.isOver) await slices.next();
  }
  return byName;
}

interface Reading extends Pick<FolderOptions, 'atMost'> {
  count(): void;
  slices: LongWork;
}

/** Adds the entries of a folder's node, or of a shard at a level of a HAMT, in the order of its links. */
export async function collectEntries(
  blocks: BlockReader,
  cid: CID,
  node: UnixNode,
  into: [string, CID][],
  reading: Reading,
  level: number,
): Promise<void> {
  if (level > levelsMax) throw malformed(cid, 'is sharded too deeply');
  const { count, slices, atMost = Number.POSITIVE_INFINITY } = reading;
  for (const link of node.links) {
    if (into.length >= atMost) return;
    count();
    if (slices.isOver) await slices.next();
    const name = entryName(cid, node, link.name);
    if (name !== undefined) into.push([name, link.cid]);
    else await collectEntries(blocks, link.cid, await readShard(blocks, link.cid), into, reading, level + 1);
  }
}

/** The name of the entry that a link of a folder stands for; undefined for a link to a further shard. */
export function entryName(cid: CID, { unixfs }: UnixNode, linkName: string): string | undefined {
  if (unixfs.type === 'directory') return linkName;
  if (!/^[0-9A-F]{2}/.test(linkName)) throw malformed(cid, 'has a shard link without its prefix');
  return linkName.length > 2 ? linkName.slice(2) : undefined;
}

/** @throws STORE_TREE_MALFORMED */
export async function readShard(blocks: BlockReader, cid: CID): Promise<UnixNode> {
  const shard = await readNode(blocks, cid);
  if (shard.kind === 'raw' || shard.unixfs.type !== 'hamt-sharded-directory') {
    throw malformed(cid, 'is not a shard');
  }
  return shard;
}

/** All entries below a root, a folder before its entries, names in byte order. Reads no file content, and resolves no links (`Symlinks`). */
export async function* walkTree(
  blocks: BlockReader,
  root: CID,
  { signal, rules, atMost }: Pick<FolderOptions, 'signal' | 'rules' | 'atMost'> = {},
): AsyncGenerator<WalkedEntry> {
  yield* walkFolder({ blocks, rules, signal, atMost, count: visits() }, root, '', 1);
}

async function* walkFolder(
  walking: FolderOptions & { blocks: BlockReader },
  cid: CID,
  path: string,
  depth: number,
): AsyncGenerator<WalkedEntry> {
  const { blocks, signal } = walking;
  checkDepth(depth);
  const children = [...(await readFolder(blocks, cid, path, walking))];
  for (let at = 0; at === 0 || at < children.length; at += storeLimits.blockTasksMax) {
    signal?.throwIfAborted();
    const described = await Promise.all(
      children
        .slice(at, at + storeLimits.blockTasksMax)
        .map(([name, child]) => describe(blocks, child, below(path, name))),
    );
    for (const found of described) {
      yield found;
      if (found.kind === 'dir') yield* walkFolder(walking, found.cid, found.path, depth + 1);
    }
  }
}

/** The path of an entry of a folder. */
export const below = (path: string, name: string): string => (path === '' ? name : `${path}/${name}`);

/** @throws STORE_PATH_TOO_DEEP */
export function checkDepth(depth: number): void {
  if (depth <= limits.pathDepthMax) return;
  throw new QuorateError('STORE_PATH_TOO_DEEP', `the tree is over ${limits.pathDepthMax} folders deep`);
}

export function entryOf({ path, kind, size, executable, cid, target }: WalkedEntry): TreeEntry {
  return { path, kind, size, executable, cid: cid.toString(), ...(target !== undefined && { target }) };
}

/** The entry at `path` that a CID stands for. */
export async function describe(blocks: BlockReader, cid: CID, path: string): Promise<WalkedEntry> {
  if (cid.code === rawCode) {
    const size = (await blocks.size(cid)) ?? (await readBlock(blocks, cid)).length;
    return { path, cid, kind: 'file', size, executable: false };
  }
  const { unixfs } = decodeUnixNode(cid, await readBlock(blocks, cid));
  if (unixfs.isDirectory()) return { path, cid, kind: 'dir', size: 0, executable: false };
  if (unixfs.type === 'symlink') {
    const target = Buffer.from(unixfs.data ?? new Uint8Array()).toString('utf8');
    checkTarget(target, path);
    return { path, cid, kind: 'link', size: 0, executable: false, target };
  }
  if (unixfs.type !== 'file') throw malformed(cid, `is a ${unixfs.type}`);
  const size = Number(unixfs.fileSize());
  if (size > Number.MAX_SAFE_INTEGER) throw malformed(cid, 'claims an impossible size');
  return { path, cid, kind: 'file', size, executable: ((unixfs.mode ?? 0) & 0o111) !== 0 };
}

/** A file's bytes after the first `skip`, each block verified; their number must match the sizes in its nodes. @throws STORE_TREE_MALFORMED */
export async function* fileBytes(
  blocks: BlockReader,
  cid: CID,
  signal?: AbortSignal,
  skip = 0,
  level = 0,
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  if (level > levelsMax) throw malformed(cid, 'is a file of too many levels');
  const node = await readNode(blocks, cid);
  if (node.kind === 'raw') {
    if (node.bytes.length > skip) yield node.bytes.subarray(skip);
    return;
  }
  const { unixfs, links } = node;
  if (unixfs.type !== 'file') throw malformed(cid, 'is not a file');
  if (unixfs.data !== undefined && unixfs.data.length > 0) {
    if (links.length > 0) throw malformed(cid, 'has both bytes and links');
    if (unixfs.data.length > skip) yield unixfs.data.subarray(skip);
  }
  if (unixfs.blockSizes.length !== links.length) throw malformed(cid, 'does not state the size of each part');
  let ahead = BigInt(skip);
  for (const [index, link] of links.entries()) {
    const declared = unixfs.blockSizes[index];
    // An empty part could be a tree of any number of empty parts.
    if (declared === undefined || declared <= 0n) throw malformed(cid, 'has an empty part');
    const skipped = ahead < declared ? ahead : declared;
    ahead -= skipped;
    let left = declared - skipped;
    if (left === 0n) continue;
    for await (const chunk of fileBytes(blocks, link.cid, signal, Number(skipped), level + 1)) {
      left -= BigInt(chunk.length);
      if (left < 0n) throw malformed(link.cid, 'is larger than its parent states');
      yield chunk;
    }
    if (left !== 0n) throw malformed(link.cid, 'is smaller than its parent states');
  }
}
