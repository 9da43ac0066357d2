import { murmur364 } from '@multiformats/murmur3';
import type { CID } from 'multiformats/cid';
import { limits } from '../protocol/base/limits.ts';
import { toUtf8 } from '../protocol/base/text.ts';
import { type BlockReader, malformed, parseCid, readNode, type UnixNode } from './nodes.ts';
import { describe, entryOf, fileBytes, readFolder, readShard } from './tree-walk.ts';
import type { Tree, TreeEntry } from './types.ts';

/**
 * The entry at a path of a tree ("" is the root); undefined when there is none. Reads one block for each level of the path, and of the
 * shards of a large folder. @throws STORE_BLOCK_MISSING, STORE_TREE_MALFORMED; the reason of the signal
 */
export async function entryAt(
  { root, blocks }: Tree,
  path: string,
  signal?: AbortSignal,
): Promise<TreeEntry | undefined> {
  const names = path.split('/').filter((part) => part !== '');
  // Further down no tree has an entry that can be listed or written, and each level costs a block, as large as its builder made it.
  if (names.length > limits.pathDepthMax) return undefined;
  let cid = parseCid(root);
  for (const name of names) {
    signal?.throwIfAborted();
    const node = await readNode(blocks, cid);
    if (node.kind === 'raw' || !node.unixfs.isDirectory()) return undefined;
    const next = await childOf(blocks, cid, node, name, signal);
    if (next === undefined) return undefined;
    cid = next;
  }
  return entryOf(await describe(blocks, cid, names.join('/')));
}

/** Links of one shard: the first byte of the hash of a name says which one it is below, the next byte at the next level. */
const fanout = 256n;

/** The entry of a name in a folder: of a sharded one by the hash of the name (https://specs.ipfs.tech/unixfs/#dag-pb-hamtdirectory). */
async function childOf(
  blocks: BlockReader,
  folder: CID,
  top: UnixNode,
  name: string,
  signal: AbortSignal | undefined,
): Promise<CID | undefined> {
  if (top.unixfs.type === 'directory') return top.links.find((link) => link.name === name)?.cid;
  let [cid, node] = [folder, top];
  for (const byte of (await murmur364.encode(toUtf8(name))).subarray(0, 8)) {
    signal?.throwIfAborted();
    if (node.unixfs.fanout !== fanout) throw malformed(cid, `has not ${fanout} links per shard`);
    const prefix = byte.toString(16).toUpperCase().padStart(2, '0');
    const link = node.links.find((one) => one.name === prefix || one.name === prefix + name);
    if (link === undefined || link.name !== prefix) return link?.cid;
    cid = link.cid;
    node = await readShard(blocks, cid);
  }
  throw malformed(cid, 'is sharded too deeply');
}

/** The entries of a folder, named by the root of a tree. @throws as `entryAt`, and the codes of names */
export async function entriesIn({ root, blocks }: Tree): Promise<TreeEntry[]> {
  const found: TreeEntry[] = [];
  for (const [name, cid] of await readFolder(blocks, parseCid(root), ''))
    found.push(entryOf(await describe(blocks, cid, name)));
  return found;
}

/** The bytes of a file, named by the root of a tree, as a stream of verified chunks. */
export async function* fileContent({ root, blocks }: Tree, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* fileBytes(blocks, parseCid(root), signal);
}
