import { decode as decodePb, type PBNode } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { pbCode, rawCode } from '../protocol/base/car.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { BlockNotFound } from './block-not-found.ts';

const sha256Code = 0x12;

/**
 * Accepts CIDs of version 1, raw or dag-pb, sha2-256. An identity CID would carry bytes without a hash, and the links in a
 * block of an unknown codec would not be followed. @throws STORE_CID_REFUSED
 */
export function checkCid(cid: CID): CID {
  if (
    cid.version !== 1 ||
    (cid.code !== rawCode && cid.code !== pbCode) ||
    cid.multihash.code !== sha256Code ||
    cid.multihash.digest.length !== 32
  ) {
    throw new QuorateError(
      'STORE_CID_REFUSED',
      `the CID ${cid.toString().slice(0, 120)} is not version 1, raw or dag-pb, with sha2-256`,
      {
        hint: 'Trees of this product look like "bafy…" or "bafk…".',
      },
    );
  }
  return cid;
}

/** Longest CID parsed, in characters. CIDs of trees have 59; decoding some bases takes quadratic time. */
const cidCharsMax = 120;

/** @throws STORE_CID_REFUSED */
export function parseCid(text: string): CID {
  let cid: CID;
  try {
    if (text.length > cidCharsMax) throw new Error(`over ${cidCharsMax} characters`);
    cid = CID.parse(text);
  } catch (cause) {
    throw new QuorateError('STORE_CID_REFUSED', `${JSON.stringify(text.slice(0, 100))} is not a CID`, {
      hint: 'Trees of this product look like "bafy…" or "bafk…".',
      cause,
    });
  }
  return checkCid(cid);
}

/** Reads verified blocks of a store's public area, optionally of one sealed area first. */
export interface BlockReader {
  read(cid: CID, alloc?: (size: number) => Uint8Array): Promise<Uint8Array>;
  size(cid: CID): number | undefined | Promise<number | undefined>;
}

interface Node {
  /** Of a raw block none. `size` is the `Tsize` of the link: the bytes below it as stated in the block, unverified. */
  links: { cid: CID; name: string; size: number }[];
  bytes: Uint8Array;
}
export interface RawNode extends Node {
  kind: 'raw';
}
export interface UnixNode extends Node {
  kind: 'unixfs';
  unixfs: UnixFS;
}

export function malformed(cid: CID, why: string, cause?: unknown): QuorateError {
  return new QuorateError('STORE_TREE_MALFORMED', `block ${cid} ${why}`, {
    hint: 'The tree was not written by a correct tool; do not use it.',
    cause,
  });
}

/** Decodes a block. @throws STORE_TREE_MALFORMED, STORE_CID_REFUSED */
export function decodeNode(cid: CID, bytes: Uint8Array): RawNode | UnixNode {
  return cid.code === rawCode ? { kind: 'raw', links: [], bytes } : decodeUnixNode(cid, bytes);
}

/** Decodes a dag-pb block. @throws STORE_TREE_MALFORMED, STORE_CID_REFUSED */
export function decodeUnixNode(cid: CID, bytes: Uint8Array): UnixNode {
  let node: PBNode;
  let unixfs: UnixFS;
  try {
    node = decodePb(bytes);
    if (node.Data === undefined) throw new Error('no UnixFS data');
    unixfs = UnixFS.unmarshal(node.Data);
  } catch (cause) {
    throw malformed(cid, 'is not UnixFS', cause);
  }
  const links = node.Links.map((link) => ({
    cid: checkCid(link.Hash),
    name: link.Name ?? '',
    size: link.Tsize ?? 0,
  }));
  return { kind: 'unixfs', unixfs, links, bytes };
}

/** The links of a block, in order. @throws STORE_TREE_MALFORMED, STORE_CID_REFUSED */
export function linksOf(cid: CID, bytes: Uint8Array): CID[] {
  return decodeNode(cid, bytes).links.map((link) => link.cid);
}

/** Stated bytes of the tree below a block: the sum of `Tsize` in its links. @throws STORE_TREE_MALFORMED, STORE_CID_REFUSED */
export function statedBytes(cid: CID, bytes: Uint8Array): number {
  return decodeNode(cid, bytes).links.reduce((sum, { size }) => sum + size, bytes.length);
}

/** Reads and decodes a block. @throws STORE_BLOCK_MISSING, STORE_TREE_MALFORMED */
export async function readNode(blocks: BlockReader, cid: CID): Promise<RawNode | UnixNode> {
  return decodeNode(cid, await readBlock(blocks, cid));
}

/** @throws STORE_BLOCK_MISSING */
export async function readBlock(
  blocks: BlockReader,
  cid: CID,
  alloc?: (size: number) => Uint8Array,
): Promise<Uint8Array> {
  try {
    return await blocks.read(cid, alloc);
  } catch (cause) {
    if (!(cause instanceof BlockNotFound)) throw cause;
    throw new QuorateError('STORE_BLOCK_MISSING', `block ${cid} is not in the store: ${cause.message}`, {
      hint: 'Pull the tree again from a peer that has it.',
      cause,
    });
  }
}
