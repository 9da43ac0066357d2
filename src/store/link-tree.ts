import { join } from 'node:path';
import type { CID } from 'multiformats/cid';
import { rawCode } from '../protocol/base/car.ts';
import { hasCode } from '../protocol/base/errors.ts';
import type { Blocks } from './blocks.ts';
import { frameExecutable } from './file-import.ts';
import { storeLimits } from './limits.ts';
import { malformed, readNode } from './nodes.ts';
import { levelsMax, walkTree } from './tree-walk.ts';
import type { ReadOptions } from './types.ts';

interface Chunk {
  cid: CID;
  size: number;
}

/** Answers of a file system that has no such links, or not from there. */
const cannot = ['EXDEV', 'EPERM', 'EACCES', 'EMLINK', 'ENOTSUP', 'ENOSYS'];

/** Takes the chunks of larger files from an export of the tree (`Store.link`). Returns their bytes. */
export async function linkTree(
  blocks: Blocks,
  root: CID,
  dir: string,
  options: Pick<ReadOptions, 'rules' | 'signal'>,
): Promise<number> {
  let bytes = 0;
  for await (const { path, kind, size, cid } of walkTree(blocks, root, options)) {
    if (kind !== 'file' || size < storeLimits.linkedBytesMin) continue;
    const parts = await partsOf(blocks, cid);
    // Of two files that are the same the first one is enough.
    if (parts === undefined || cidsOf(parts).every((one) => blocks.isLinked(one))) continue;
    try {
      await blocks.link(join(dir, path), parts);
    } catch (error) {
      if (cannot.some((code) => hasCode(error, code))) return bytes;
      throw error;
    }
    bytes += size;
  }
  return bytes;
}

type Parts = readonly Chunk[] | { framed: CID; size: number };

const cidsOf = (parts: Parts): CID[] => ('framed' in parts ? [parts.framed] : parts.map(({ cid }) => cid));

/** How a file's bytes are in blocks; undefined where it is otherwise than the importer makes it. */
async function partsOf(blocks: Blocks, cid: CID): Promise<Parts | undefined> {
  const chunks: Chunk[] = [];
  if (await collectChunks(blocks, cid, chunks)) return chunks;
  const node = await readNode(blocks, cid);
  if (node.kind === 'raw' || node.links.length > 0) return undefined;
  const { data = new Uint8Array() } = node.unixfs;
  const isFramed = Buffer.compare(frameExecutable(data), node.bytes) === 0;
  return isFramed ? { framed: cid, size: data.length } : undefined;
}

/** The chunks of a file in its order; false where bytes of it are in no chunk. @throws STORE_TREE_MALFORMED, STORE_BLOCK_MISSING */
async function collectChunks(blocks: Blocks, cid: CID, into: Chunk[], level = 0): Promise<boolean> {
  if (level > levelsMax) throw malformed(cid, 'is a file of too many levels');
  const node = cid.code === rawCode ? undefined : await readNode(blocks, cid);
  if (node === undefined || node.kind === 'raw') {
    into.push({ cid, size: blocks.size(cid) ?? 0 });
    return true;
  }
  if ((node.unixfs.data ?? new Uint8Array()).length > 0) return false;
  for (const link of node.links) if (!(await collectChunks(blocks, link.cid, into, level + 1))) return false;
  return true;
}
