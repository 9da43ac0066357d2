import type { CID } from 'multiformats/cid';
import { LongWork } from './long-work.ts';
import { checkName, compareNames } from './names.ts';
import { type BlockReader, malformed, parseCid, type UnixNode } from './nodes.ts';
import {
  below,
  checkDepth,
  collectEntries,
  describe,
  entryName,
  entryOf,
  levelsMax,
  readFolderNode,
  readShard,
  visits,
} from './tree-walk.ts';
import type { Tree, TreeEntry } from './types.ts';

export interface Difference {
  /** Relative to the roots; empty when the roots themselves differ, in kind or in how they are encoded. */
  path: string;
  change: 'added' | 'removed' | 'changed';
  /** The entry on the left, absent when added. */
  a?: TreeEntry;
  /** The entry on the right, absent when removed. */
  b?: TreeEntry;
}

/** One folder, or shard of a folder, on one side. */
interface Shard {
  blocks: BlockReader;
  cid: CID;
  node: UnixNode;
}

interface Walk {
  left: BlockReader;
  right: BlockReader;
  count(): void;
  signal: AbortSignal | undefined;
}

/** The CIDs that one name stands for. */
interface Sides {
  a?: CID;
  b?: CID;
}

/**
 * The differences of two trees, in path order. Reads only folders and shards whose CIDs differ; a folder on one side only is one entry. A
 * folder whose CIDs differ while its entries do not is `changed` itself: it is encoded otherwise. @throws STORE_BLOCK_MISSING,
 * STORE_TREE_MALFORMED, STORE_TREE_TOO_MANY_ENTRIES, STORE_PATH_TOO_DEEP, codes of names
 */
export async function* diffTrees(a: Tree, b: Tree, signal?: AbortSignal): AsyncGenerator<Difference> {
  const walk = { left: a.blocks, right: b.blocks, count: visits(), signal };
  yield* entry(walk, { a: parseCid(a.root), b: parseCid(b.root) }, '', 0);
}

async function* entry(
  walk: Walk,
  { a, b }: Sides,
  path: string,
  depth: number,
): AsyncGenerator<Difference, void, undefined> {
  if (a !== undefined && b !== undefined && a.equals(b)) return;
  const [from, to] = await Promise.all([
    a && describe(walk.left, a, path),
    b && describe(walk.right, b, path),
  ]);
  if (from?.kind === 'dir' && to?.kind === 'dir') {
    let found = false;
    for await (const difference of folders(walk, from.cid, to.cid, path, depth + 1)) {
      found = true;
      yield difference;
    }
    if (found) return;
  }
  const change = from === undefined ? 'added' : to === undefined ? 'removed' : 'changed';
  yield { path, change, ...(from && { a: entryOf(from) }), ...(to && { b: entryOf(to) }) };
}

async function* folders(
  walk: Walk,
  a: CID,
  b: CID,
  path: string,
  depth: number,
): AsyncGenerator<Difference, void, undefined> {
  checkDepth(depth);
  const [left, right] = await Promise.all([shardOf(walk.left, a), shardOf(walk.right, b)]);
  const differing = new Map<string, Sides>();
  await compareShards(walk, left, right, differing, 0);
  for (const name of [...differing.keys()].sort(compareNames)) {
    walk.signal?.throwIfAborted();
    const childPath = below(path, name);
    checkName(name, childPath);
    yield* entry(walk, differing.get(name) ?? {}, childPath, depth);
  }
}

async function shardOf(blocks: BlockReader, cid: CID): Promise<Shard> {
  return { blocks, cid, node: await readFolderNode(blocks, cid) };
}

/**
 * Adds the entries in which two folders differ. A link with one name and CID on both sides is passed over unread; two differing shards of
 * one place are compared in turn. Where one side only is sharded, or one place holds an entry and a shard, they are compared entry by
 * entry.
 */
async function compareShards(
  walk: Walk,
  left: Shard,
  right: Shard,
  into: Map<string, Sides>,
  level: number,
): Promise<void> {
  walk.signal?.throwIfAborted();
  if (level > levelsMax) throw malformed(left.cid, 'is sharded too deeply');
  const others = new Map(right.node.links.map((link) => [link.name, link.cid]));
  if (others.size < right.node.links.length) throw malformed(right.cid, 'has two links of one name');
  const sameType = left.node.unixfs.type === right.node.unixfs.type;
  for (const link of left.node.links) {
    walk.count();
    const other = sameType ? others.get(link.name) : undefined;
    if (other !== undefined) others.delete(link.name);
    if (other?.equals(link.cid)) continue;
    if (other !== undefined && entryName(left.cid, left.node, link.name) === undefined) {
      const [a, b] = await Promise.all([readShard(left.blocks, link.cid), readShard(right.blocks, other)]);
      const below = { blocks: left.blocks, cid: link.cid, node: a };
      await compareShards(walk, below, { blocks: right.blocks, cid: other, node: b }, into, level + 1);
      continue;
    }
    await addEntries(walk, left, link, 'a', into, level);
    if (other !== undefined) await addEntries(walk, right, { name: link.name, cid: other }, 'b', into, level);
  }
  for (const [name, cid] of others) {
    walk.count();
    await addEntries(walk, right, { name, cid }, 'b', into, level);
  }
}

/** Adds the entry, or all entries of the shard, that a link leads to. */
async function addEntries(
  walk: Walk,
  { blocks, cid, node }: Shard,
  link: { name: string; cid: CID },
  side: 'a' | 'b',
  into: Map<string, Sides>,
  level: number,
): Promise<void> {
  const entries: [string, CID][] = [];
  const name = entryName(cid, node, link.name);
  if (name !== undefined) entries.push([name, link.cid]);
  else {
    const reading = { count: walk.count, slices: new LongWork() };
    const shard = await readShard(blocks, link.cid);
    await collectEntries(blocks, link.cid, shard, entries, reading, level + 1);
  }
  for (const [entryName, entryCid] of entries) {
    const sides = into.get(entryName) ?? {};
    if (sides[side] !== undefined) throw malformed(cid, 'has an entry twice');
    sides[side] = entryCid;
    into.set(entryName, sides);
  }
}
