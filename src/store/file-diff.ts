import type { CID } from 'multiformats/cid';
import { type BlockReader, malformed, parseCid, readNode } from './nodes.ts';
import { levelsMax } from './tree-walk.ts';
import type { Tree } from './types.ts';

/** First difference between the bytes of two files. */
export interface FirstDifference {
  /** Offset in bytes of the first byte that differs, or that only one of the files has. */
  offset: number;
  /** Offset of the first byte of `a` and `b`. */
  from: number;
  /** Bytes of the left file from there on, a few; fewer where the file ends. */
  a: Uint8Array;
  b: Uint8Array;
}

/** Bytes shown of each file, and how many of them come before the difference. */
const contextBytes = 16;
const contextBytesBefore = 4;

/**
 * Compares the bytes of two files; undefined when they are the same. Reads only parts whose CIDs differ. A part that both have
 * is taken to have the size that its parents state.
 * @throws STORE_BLOCK_MISSING, STORE_TREE_MALFORMED
 */
export async function firstDifference(
  a: Tree,
  b: Tree,
  signal?: AbortSignal,
): Promise<FirstDifference | undefined> {
  const offset = await differingOffset(new FileCursor(a, signal), new FileCursor(b, signal));
  if (offset === undefined) return undefined;
  const from = Math.max(0, offset - contextBytesBefore);
  const [left, right] = await Promise.all([bytesAt(a, from, signal), bytesAt(b, from, signal)]);
  return { offset, from, a: left, b: right };
}

async function differingOffset(a: FileCursor, b: FileCursor): Promise<number | undefined> {
  for (;;) {
    const [partA, partB] = [a.part, b.part];
    if (partA !== undefined && partB !== undefined) {
      if (partA.cid.equals(partB.cid) && partA.size === partB.size) {
        a.passOver();
        b.passOver();
        continue;
      }
      // The larger one may begin with the other; of one size, it may be the other.
      await (partA.size >= partB.size ? a.open(partA) : b.open(partB));
      continue;
    }
    if (partA !== undefined) await a.open(partA);
    else if (partB !== undefined) await b.open(partB);
    else {
      const length = Math.min(a.bytes.length, b.bytes.length);
      if (length === 0) return a.bytes.length === b.bytes.length ? undefined : a.offset;
      const same = sameBytes(a.bytes.subarray(0, length), b.bytes.subarray(0, length));
      if (same < length) return a.offset + same;
      a.take(length);
      b.take(length);
    }
  }
}

/** How many bytes two arrays of one length begin with in common. */
export function sameBytes(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return a.length;
  return a.findIndex((byte, at) => byte !== b[at]);
}

async function bytesAt(file: Tree, from: number, signal?: AbortSignal): Promise<Uint8Array> {
  const cursor = new FileCursor(file, signal);
  const taken: Uint8Array[] = [];
  let wanted = contextBytes;
  while (wanted !== 0) {
    const { part } = cursor;
    if (part !== undefined) {
      if (cursor.offset + part.size <= from) cursor.passOver();
      else await cursor.open(part);
      continue;
    }
    const before = Math.max(0, from - cursor.offset);
    cursor.take(Math.min(before, cursor.bytes.length));
    const bytes = cursor.bytes.subarray(0, wanted);
    if (bytes.length === 0 && cursor.part === undefined) break;
    cursor.take(bytes.length);
    taken.push(bytes);
    wanted -= bytes.length;
  }
  return Buffer.concat(taken);
}

/** A part of a file: the whole, a node of its chunks, or a chunk. */
interface Part {
  cid: CID;
  /** Bytes as its parent states; infinite for the whole file. */
  size: number;
  level: number;
}

/** Goes through a file's bytes from the start, and opens only those of its parts that are asked for. */
class FileCursor {
  offset = 0;
  /** Bytes of an opened chunk from the current place on. */
  bytes: Uint8Array = new Uint8Array();
  readonly #blocks: BlockReader;
  readonly #signal: AbortSignal | undefined;
  /** Parts that follow, the next one last. */
  readonly #parts: Part[];

  constructor({ root, blocks }: Tree, signal: AbortSignal | undefined) {
    this.#blocks = blocks;
    this.#signal = signal;
    this.#parts = [{ cid: parseCid(root), size: Number.POSITIVE_INFINITY, level: 0 }];
  }

  /** The part that begins at the current place; undefined within an opened chunk, and at the end. */
  get part(): Part | undefined {
    return this.bytes.length > 0 ? undefined : this.#parts.at(-1);
  }

  passOver(): void {
    this.offset += this.#parts.pop()?.size ?? 0;
  }

  /** Passes over bytes of the opened chunk. */
  take(length: number): void {
    this.offset += length;
    this.bytes = this.bytes.subarray(length);
  }

  /** Replaces the part at the current place by its bytes or its parts. @throws STORE_TREE_MALFORMED, STORE_BLOCK_MISSING */
  async open(part: Part): Promise<void> {
    this.#signal?.throwIfAborted();
    this.#parts.pop();
    const { cid, level } = part;
    if (level > levelsMax) throw malformed(cid, 'is a file of too many levels');
    const node = await readNode(this.#blocks, cid);
    const { links } = node;
    if (node.kind === 'unixfs' && node.unixfs.type !== 'file') throw malformed(cid, 'is not a file');
    if (links.length === 0) {
      this.bytes = (node.kind === 'raw' ? node.bytes : node.unixfs.data) ?? new Uint8Array();
      this.#check(part, this.bytes.length);
      return;
    }
    const { data = new Uint8Array(), blockSizes = [] } = node.kind === 'raw' ? {} : node.unixfs;
    if (data.length > 0) throw malformed(cid, 'has both bytes and links');
    const sizes = blockSizes.map(Number);
    if (sizes.length !== links.length) throw malformed(cid, 'does not state the size of each part');
    this.#check(
      part,
      sizes.reduce((sum, one) => sum + one, 0),
    );
    const parts = links.map((link, index) => ({ cid: link.cid, size: sizes[index] ?? 0, level: level + 1 }));
    // An empty part could be a tree of any number of empty parts.
    if (parts.some((one) => one.size <= 0)) throw malformed(cid, 'has an empty part');
    this.#parts.push(...parts.reverse());
  }

  #check({ cid, size }: Part, found: number): void {
    if (size !== Number.POSITIVE_INFINITY && size !== found)
      throw malformed(cid, `has ${found} bytes, and ${size} are stated`);
  }
}
