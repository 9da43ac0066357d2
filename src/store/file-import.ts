import { createHash, hash } from 'node:crypto';
import { encode, prepare } from '@ipld/dag-pb';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Blockstore } from 'interface-blockstore';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { pbCode, rawCode } from '../protocol/base/car.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import { executableMode, frameExecutable } from './framed-file.ts';
import { giveUpMemory } from './give-up-memory.ts';

/** Chunk size of the CID profile (`cids` of a job) in bytes: a plain file up to this size is one raw block. */
export const chunkBytes = 1_048_576;
/** Most links of a node of the profile. */
const nodeLinksMax = 1024;

export interface StoredFile {
  cid: CID;
  /** Bytes of all blocks of the file, for the `Tsize` of the link to it. */
  dagSize: number;
  size: number;
  /** Hex, of the content. */
  sha256: string;
}

/** A block, or a node with all below it. */
interface Part {
  cid: CID;
  dagSize: number;
  /** Bytes of content. */
  size: number;
}

/** Where blocks go. `take` is as `put`, and takes over the memory. */
type Destination = Blockstore & { take?(cid: CID, bytes: Uint8Array): Promise<unknown> };

export const cidOf = (code: number, bytes: Uint8Array): CID =>
  CID.createV1(code, createDigest(0x12, hash('sha256', bytes, 'buffer')));

/** Stores one file's content. */
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
  const size = content.length;
  const raw = cidOf(rawCode, content);
  const sha256 = bytesToHex(raw.multihash.digest);
  if (!executable) {
    await blocks.put(raw, content);
    return { cid: raw, dagSize: size, size, sha256 };
  }
  const block = frameExecutable(content);
  const cid = cidOf(pbCode, block);
  await blocks.put(cid, block);
  return { cid, dagSize: block.length, size, sha256 };
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
  const { cid, dagSize, size } = await storeNodes(blocks, parts, executable);
  return { cid, dagSize, size, sha256: whole.digest('hex') };
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

/** Limits the bytes of content of one import. */
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
      hint: 'Make the outputs smaller or raise the limit of the job or the store.',
    });
  }
}
