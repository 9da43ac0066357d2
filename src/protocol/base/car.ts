import { ByteQueue } from './byte-queue.ts';
import { assert, QuorateError } from './errors.ts';
import { limits } from './limits.ts';

/** Framing of CARv1 (https://ipld.io/specs/transport/car/carv1/): a header with roots, then `varint length, CID, bytes`. Hashes nothing. */

/** Multicodec codes of a tree's blocks: `raw`, bytes of a file, and `dag-pb`, a folder, a link or a file of several chunks. */
export const rawCode = 0x55;
export const pbCode = 0x70;

/** Every CID of a tree: version 1, raw or dag-pb, sha2-256 of 32 bytes. */
export const cidBytes = 36;

const text = (value: string): number[] => [0x60 + value.length, ...[...value].map((c) => c.charCodeAt(0))];

function arrayHead(length: number): number[] {
  if (length < 24) return [0x80 + length];
  if (length < 0x100) return [0x98, length];
  assert(length < 0x10000, 'a CAR has fewer than 65,536 roots');
  return [0x99, length >> 8, length & 0xff];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

/** The number at `at` and where the next field begins; undefined while its end is not there. Up to 2^28. */
export function readVarint(bytes: Uint8Array, at: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let index = 0; index < 4; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return { value, next: at + index + 1 };
  }
  throw malformed('has a length of more than 2^28');
}

/** The header of an archive with these roots (CIDs of under 255 bytes, as bytes): canonical DAG-CBOR with its length. */
export function carHeader(roots: readonly Uint8Array[]): Uint8Array {
  const body = [0xa2, ...text('roots'), ...arrayHead(roots.length)];
  for (const root of roots) {
    const length = root.length + 1;
    // Tag 42 is a CID; a byte string's length is in its first byte only while below 24.
    body.push(0xd8, 0x2a, ...(length < 24 ? [0x40 + length] : [0x58, length]), 0, ...root);
  }
  body.push(...text('version'), 1);
  return Uint8Array.from([...varint(body.length), ...body]);
}

export const oneRootHeaderBytes = carHeader([new Uint8Array(cidBytes)]).length;
/** Bytes after the last root in a header. */
const headerTailBytes = text('version').length + 1;

/** The root of an archive of one tree, as bytes, from its first `oneRootHeaderBytes`; undefined for anything else. */
export function rootOfCar(head: Uint8Array): Uint8Array | undefined {
  const end = oneRootHeaderBytes - headerTailBytes;
  const root = head.slice(end - cidBytes, end);
  if (!isTreeCid(root)) return undefined;
  return carHeader([root]).every((byte, index) => byte === head[index]) ? root : undefined;
}

/** The bytes in front of a block's. */
export function sectionHead(cid: Uint8Array, size: number): Uint8Array {
  return Uint8Array.from([...varint(cid.length + size), ...cid]);
}

/** True for the bytes of a CID as trees have them. */
export function isTreeCid(cid: Uint8Array): boolean {
  return cid[0] === 1 && (cid[1] === rawCode || cid[1] === pbCode) && cid[2] === 0x12 && cid[3] === 0x20;
}

function malformed(why: string): QuorateError {
  return new QuorateError('CAR_MALFORMED', `the archive of blocks ${why}`, {
    hint: 'The sender is faulty or lies; ask another one.',
  });
}

export interface Section {
  /** As bytes. */
  cid: Uint8Array;
  /** Not hashed yet. May share memory with what was pushed. */
  bytes: Uint8Array;
}

/** Takes an archive in pieces and gives its sections. Holds less than one section besides the last piece; expects one header. */
export class CarParser {
  readonly #header: Uint8Array;
  #headerRead = false;
  #section: { cid: Uint8Array; size: number } | undefined;
  readonly #pieces = new ByteQueue();

  constructor(header: Uint8Array) {
    this.#header = header;
  }

  /** Call `next` until it gives undefined before pushing more. */
  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
  }

  /** @throws CAR_MALFORMED */
  next(): Section | undefined {
    if (!this.#headerRead) {
      if (this.#pieces.length < this.#header.length) return undefined;
      const found = this.#pieces.take(this.#header.length);
      if (found.some((byte, index) => byte !== this.#header[index])) {
        throw malformed('does not begin with the header that was expected');
      }
      this.#headerRead = true;
    }
    this.#section ??= this.#head();
    if (this.#section === undefined || this.#pieces.length < this.#section.size) return undefined;
    const { cid, size } = this.#section;
    this.#section = undefined;
    return { cid, bytes: this.#pieces.take(size) };
  }

  #head(): { cid: Uint8Array; size: number } | undefined {
    const length = readVarint(this.#pieces.peek(4), 0);
    if (length === undefined) return undefined;
    const size = length.value - cidBytes;
    if (size < 0) throw malformed('has a section without a CID');
    if (size > limits.blockBytesMax) throw malformed('has a block over the largest size');
    if (this.#pieces.length < length.next + cidBytes) return undefined;
    const cid = this.#pieces.take(length.next + cidBytes).slice(length.next);
    if (!isTreeCid(cid)) throw malformed('has a block of another kind than trees have');
    return { cid, size };
  }

  /** @throws CAR_MALFORMED when something unfinished is left */
  end(): void {
    if (!this.#headerRead || this.#pieces.length > 0 || this.#section !== undefined)
      throw malformed('was cut off');
  }
}
