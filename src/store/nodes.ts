import { decode as decodePb, type PBNode } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { pbCode, rawCode } from '../protocol/base/car.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { limits } from '../protocol/base/limits.ts';

/** Not a coded error: on an error of this name Bitswap answers "do not have" and goes on with the peer's other wants. */
export class BlockNotFound extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NotFoundError';
  }
}

/** Bytes that one comparison may read of a tree: its folders and files twice. */
const bounds = { blocks: 2 * limits.treeBlocksMax, bytes: 2 * limits.treeBytesMax };

/**
 * Reads blocks up to a number of them and of bytes: since blocks may be shared, a file of a few blocks can have more bytes than anybody
 * can wait for.
 */
export class BoundedReader implements BlockReader {
  readonly #blocks: BlockReader;
  #left: { blocks: number; bytes: number };

  constructor(blocks: BlockReader, max = bounds) {
    this.#blocks = blocks;
    this.#left = { ...max };
  }

  /** @throws STORE_TREE_TOO_LARGE, and as the reader of the store */
  async read(cid: CID, alloc?: (size: number) => Uint8Array): Promise<Uint8Array> {
    this.#take('blocks', 1);
    const bytes = await this.#blocks.read(cid, alloc);
    this.#take('bytes', bytes.length);
    return bytes;
  }

  size(cid: CID): number | undefined | Promise<number | undefined> {
    return this.#blocks.size(cid);
  }

  #take(what: 'blocks' | 'bytes', count: number): void {
    this.#left[what] -= count;
    if (this.#left[what] >= 0) return;
    throw new QuorateError(
      'STORE_TREE_TOO_LARGE',
      `more ${what} of the tree would have to be read than a tree may have`,
      { hint: 'The tree was made to take long; do not use it.' },
    );
  }
}

export const sha256Code = 0x12;

/**
 * Accepts CIDs of version 1, raw or dag-pb, sha2-256: another one would carry bytes without a hash, or links that are not followed.
 * @throws STORE_CID_REFUSED
 */
export function checkCid(cid: CID): CID {
  if (
    cid.version !== 1 ||
    (cid.code !== rawCode && cid.code !== pbCode) ||
    cid.multihash.code !== sha256Code ||
    cid.multihash.digest.length !== 32
  ) {
    throw refusedCid(
      `the CID ${cid.toString().slice(0, 120)} is not version 1, raw or dag-pb, with sha2-256`,
    );
  }
  return cid;
}

const refusedCid = (message: string, cause?: unknown): QuorateError =>
  new QuorateError('STORE_CID_REFUSED', message, {
    hint: 'Trees of this product look like "bafy…" or "bafk…".',
    cause,
  });

/** The CID of a block whose sha2-256 is `digest`. */
export const cidFrom = (codec: number, digest: Uint8Array): CID =>
  CID.createV1(codec, createDigest(sha256Code, digest));

/** Longest CID parsed, in characters. CIDs of trees have 59; decoding some bases takes quadratic time. */
const cidCharsMax = 120;

/** @throws STORE_CID_REFUSED */
export function parseCid(text: string): CID {
  let cid: CID;
  try {
    if (text.length > cidCharsMax) throw new Error(`over ${cidCharsMax} characters`);
    cid = CID.parse(text);
  } catch (cause) {
    throw refusedCid(`${printable(text)} is not a CID`, cause);
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
type RawNode = Node & { kind: 'raw' };
export type UnixNode = Node & { kind: 'unixfs'; unixfs: UnixFS };

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
