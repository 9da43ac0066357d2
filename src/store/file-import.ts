import { createHash, hash } from 'node:crypto';
import { encode, prepare } from '@ipld/dag-pb';
import { bytesToHex } from '@noble/hashes/utils.js';
import { BaseBlockstore } from 'blockstore-core';
import type { Blockstore } from 'interface-blockstore';
import { UnixFS } from 'ipfs-unixfs';
import type { CID } from 'multiformats/cid';
import { pbCode, rawCode } from '../protocol/base/car.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import { cidFrom } from './nodes.ts';

/** A blockstore that keeps only the last block put, which is the root. */
export class LastBlockOnly extends BaseBlockstore {
  last: { cid: CID; bytes: Uint8Array } | undefined;

  override async put(
    cid: CID,
    value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<CID> {
    if (value instanceof Uint8Array) this.last = { cid, bytes: value };
    return cid;
  }
}

/** Memory that is shared, or smaller than this, is left to the garbage collector. */
const bytesMin = 4 * 1024;

/** Gives up the memory of bytes that nobody uses any more, where it is theirs alone: it then does not hasten the next garbage collection. */
export function giveUpMemory({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= bytesMin && buffer.byteLength === byteLength && buffer instanceof ArrayBuffer)
    buffer.transfer(0);
}

/** The mode of a file or node that states one. */
const executableMode = 0o755;

/** In place of an offset: the block is all of the linked file, in the node of an executable that has one chunk. */
export const framedAt = -1;

/** The block that an executable of one chunk is: its mode is in a node, and its bytes with it. */
export function frameExecutable(content: Uint8Array): Uint8Array {
  const data = new UnixFS({ type: 'file', data: content, mode: executableMode });
  return encode(prepare({ Data: data.marshal(), Links: [] }));
}

/** Chunk size of the CID profile (`cids` of a job) in bytes: a plain file up to this size is one raw block. */
export const chunkBytes = 1_048_576;
/** Most links of a node of the profile. */
const nodeLinksMax = 1024;

/** A block, or a node with all below it. */
interface Part {
  cid: CID;
  /** Bytes of all its blocks, for the `Tsize` of the link to it. */
  dagSize: number;
  /** Bytes of content. */
  size: number;
}

export interface StoredFile extends Part {
  /** Hex, of the content. */
  sha256: string;
}

/** Where blocks go. `take` is as `put`, and takes over the memory. */
type Destination = Blockstore & { take?(cid: CID, bytes: Uint8Array): Promise<unknown> };

export const cidOf = (code: number, bytes: Uint8Array): CID => cidFrom(code, hash('sha256', bytes, 'buffer'));

export function storeFile(
  blocks: Destination,
  content: Uint8Array | AsyncIterable<Uint8Array>,
  executable: boolean,
): Promise<StoredFile> {
  if (content instanceof Uint8Array && content.length <= chunkBytes)
    return storeChunk(blocks, content, executable);
  return storeChunks(blocks, inChunks(content instanceof Uint8Array ? [content] : content), executable);
}

/** A file of one chunk, whose bytes are not hashed twice. */
async function storeChunk(
  blocks: Destination,
  content: Uint8Array,
  executable: boolean,
): Promise<StoredFile> {
  const raw = cidOf(rawCode, content);
  const block = executable ? frameExecutable(content) : content;
  const cid = executable ? cidOf(pbCode, block) : raw;
  await blocks.put(cid, block);
  const sha256 = bytesToHex(raw.multihash.digest);
  return { cid, dagSize: block.length, size: content.length, sha256 };
}

/** As `storeFile`, of content in pieces of any size. Takes over their memory. */
export function storePieces(
  blocks: Destination,
  pieces: AsyncIterable<Uint8Array>,
  executable: boolean,
): Promise<StoredFile> {
  return storeChunks(blocks, inChunks(pieces, giveUpMemory), executable);
}

/** As `storeFile`, of content in chunks of `chunkBytes` of which only the last may be shorter. Takes over their memory. */
export async function storeChunks(
  blocks: Destination,
  chunks: AsyncIterable<Uint8Array>,
  executable: boolean,
): Promise<StoredFile> {
  const whole = createHash('sha256');
  const parts: Part[] = [];
  const store = async (chunk: Uint8Array): Promise<void> => {
    whole.update(chunk);
    const cid = cidOf(rawCode, chunk);
    const size = chunk.length;
    parts.push({ cid, dagSize: size, size });
    await (blocks.take?.(cid, chunk) ?? blocks.put(cid, chunk));
  };
  // An only chunk is stored otherwise.
  let last: Uint8Array | undefined;
  for await (const chunk of chunks) {
    if (last !== undefined) await store(last);
    last = chunk;
  }
  if (parts.length === 0) return storeChunk(blocks, last ?? new Uint8Array(), executable);
  if (last !== undefined) await store(last);
  return { ...(await storeNodes(blocks, parts, executable)), sha256: whole.digest('hex') };
}

/** The nodes above the chunks of a file, level by level. Returns the root. */
async function storeNodes(blocks: Destination, parts: readonly Part[], executable: boolean): Promise<Part> {
  const nodes: Part[] = [];
  for (let at = 0; at < parts.length; at += nodeLinksMax) {
    const below = parts.slice(at, at + nodeLinksMax);
    const unixfs = new UnixFS({ type: 'file', ...(executable && { mode: executableMode }) });
    for (const { size } of below) unixfs.addBlockSize(BigInt(size));
    const Links = below.map(({ cid, dagSize }) => ({ Name: '', Tsize: dagSize, Hash: cid }));
    const block = encode(prepare({ Data: unixfs.marshal(), Links }));
    const cid = cidOf(pbCode, block);
    await blocks.put(cid, block);
    const sum = (of: 'size' | 'dagSize'): number => below.reduce((all, part) => all + part[of], 0);
    nodes.push({ cid, dagSize: block.length + sum('dagSize'), size: sum('size') });
  }
  const [root] = nodes;
  return root !== undefined && nodes.length === 1 ? root : storeNodes(blocks, nodes, executable);
}

/** Copies content into chunks of `chunkBytes` and a rest, each in memory of its own. */
async function* inChunks(
  content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  copied: (piece: Uint8Array) => void = () => {},
): AsyncGenerator<Uint8Array> {
  let chunk = new Uint8Array(chunkBytes);
  let filled = 0;
  for await (const piece of content) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + chunkBytes - filled);
      chunk.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < chunkBytes) continue;
      yield chunk;
      chunk = new Uint8Array(chunkBytes);
      filled = 0;
    }
    copied(piece);
  }
  if (filled > 0) yield chunk.slice(0, filled);
}

export class ByteBudget {
  used = 0;
  readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  /** @throws STORE_TREE_TOO_LARGE */
  take(bytes: number): void {
    this.used += bytes;
    if (this.used <= this.max) return;
    throw new QuorateError('STORE_TREE_TOO_LARGE', `the tree is over ${sizeText(this.max)}`, {
      hint: 'Make the outputs smaller, or give the job more disk: `limits: {disk: …}` in its job file.',
    });
  }
}
