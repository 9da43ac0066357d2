import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { sameBytes } from '../../store/file-diff.ts';
import {
  bytesOf,
  type Content,
  firstBytes,
  Irregular,
  inflateWhole,
  slice,
  type UnpackBudget,
} from './archive-content.ts';
import {
  compareListings,
  type Listing,
  type MemberDifference,
  type Normalisation,
  normalisations,
} from './listing.ts';
import { blockBytes, isTar, listTar } from './tar-listing.ts';
import { isZip, listZip } from './zip-listing.ts';

const headBytesMax = 128 * 1024;
const headBytesMin = 10;
const trailerBytes = 8;
const flags = { crc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;

export const isGzip = (head: Buffer): boolean => head.length >= 2 && head.readUInt16BE() === 0x1f8b;

/** Reads the header of a gzip file (RFC 1952) of one member. @throws {Irregular}, also of `unpack`. */
async function openGzip(content: Content) {
  if (content.size < headBytesMin + trailerBytes) throw new Irregular('it is truncated');
  const head = await firstBytes(content, headBytesMax);
  const { end, name, header } = parseHeader(head);
  const dataEnd = content.size - trailerBytes;
  if (dataEnd < end) throw new Irregular('it is truncated');
  async function* unpack(budget: UnpackBudget): AsyncGenerator<Uint8Array> {
    let [sum, size] = [0, 0];
    for await (const chunk of inflateWhole(slice(content.open(), end, dataEnd), dataEnd - end, budget)) {
      sum = crc32(chunk, sum);
      size += chunk.length;
      yield chunk;
    }
    const trailer = await bytesOf(slice(content.open(), dataEnd, content.size));
    if (trailer.length !== trailerBytes || trailer.readUInt32LE() !== sum)
      throw new Irregular('it does not have the checksum that it states');
    if (trailer.readUInt32LE(4) !== size % 2 ** 32)
      throw new Irregular('it does not have the length that it states');
  }
  return { name, header, unpack };
}

function parseHeader(head: Buffer): { end: number; name: string | undefined; header: string } {
  const flag = head.readUInt8(3);
  if (head.readUInt8(2) !== 8 || (flag & flags.reserved) !== 0)
    throw new Irregular('its gzip header is unknown');
  let at = headBytesMin;
  const take = (length: number): Buffer => {
    if (length < 0 || at + length > head.length) throw new Irregular('its gzip header has no end');
    at += length;
    return head.subarray(at - length, at);
  };
  const text = (): Buffer => take(head.indexOf(0, at) + 1 - at).subarray(0, -1);
  const extra = (flag & flags.extra) === 0 ? undefined : take(take(2).readUInt16LE());
  const name = (flag & flags.name) === 0 ? undefined : text().toString('latin1');
  const comment = (flag & flags.comment) === 0 ? undefined : text();
  if ((flag & flags.crc) !== 0) take(2);
  // Without name, time, compression level and system.
  const header = JSON.stringify([flag & 1, extra?.toString('hex'), comment?.toString('hex')]);
  return { end: at, name, header };
}

export interface FileComparison {
  result: 'normalised' | 'different';
  /** Properties that were left out of account, where the result is `normalised`. */
  normalisations: Normalisation[];
  /** The same bytes that both unpack to. */
  within?: { format: 'tar' | 'file'; bytes: number; sha256: string };
  /** Members that differ; empty where these are no archives of one format. */
  members: MemberDifference[];
  /** Why the files are different, besides their members. */
  reasons: string[];
}

type Side = 'a' | 'b';

/**
 * Compares two files whose bytes differ, as gzip, tar, a tar in gzip, zip; an archive in an archive is a plain file. A file that cannot be read
 * to its last byte is different. @throws {QuorateError} COMPARE_TOO_LARGE
 */
export async function compareFiles(
  a: Content,
  b: Content,
  { scratch, budget }: { scratch: string; budget: UnpackBudget },
): Promise<FileComparison> {
  const [headA, headB] = [await firstBytes(a, blockBytes), await firstBytes(b, blockBytes)];
  const [formatA, formatB] = [formatOf(headA), formatOf(headB)];
  if (formatA !== formatB)
    return different(
      [formatA, formatB].includes(undefined)
        ? []
        : [`a is ${formatA === undefined ? 'no archive' : formatA}, and b is ${formatB}`],
    );
  if (formatA === 'gzip') return compareGzip(a, b, budget);
  if (formatA === 'tar')
    return fromListings('tar', await both((side) => listTar(of(side).open(), budget)), []);
  if (formatA === 'zip') {
    const list = (side: Side) => withFile(of(side), join(scratch, `${side}.zip`), budget);
    return fromListings('zip', await both(list), ['zip']);
  }
  return different([]);

  function of(side: Side): Content {
    return side === 'a' ? a : b;
  }
}

function formatOf(head: Buffer): 'gzip' | 'zip' | 'tar' | undefined {
  if (isGzip(head)) return 'gzip';
  if (isZip(head)) return 'zip';
  return isTar(head) ? 'tar' : undefined;
}

export const different = (reasons: string[], members: MemberDifference[] = []): FileComparison => ({
  result: 'different',
  normalisations: [],
  members,
  reasons,
});

/** The same of both sides, one after the other; text where a side is irregular. */
async function both<T>(of: (side: Side) => Promise<T>): Promise<readonly [T, T] | string[]> {
  const found: T[] = [];
  const reasons: string[] = [];
  for (const side of ['a', 'b'] as const) {
    try {
      found.push(await of(side));
    } catch (error) {
      if (!(error instanceof Irregular)) throw error;
      reasons.push(`${side}: ${error.message}`);
    }
  }
  const [one, other] = found;
  return one === undefined || other === undefined ? reasons : [one, other];
}

const isReasons = (found: readonly unknown[]): found is string[] =>
  found.length === 0 || typeof found[0] === 'string';

function fromListings(
  format: 'tar' | 'zip',
  found: readonly [Listing, Listing] | string[],
  packed: Normalisation[],
): FileComparison {
  if (isReasons(found)) return different(found);
  const compared = compareListings(...found);
  if (compared.differences.length + compared.reasons.length > 0)
    return different(compared.reasons, compared.differences);
  const left = inOrder([...compared.normalisations, ...packed]);
  if (left.length === 0) return different([`the ${format} differs in what is not compared`]);
  return { result: 'normalised', normalisations: left, members: [], reasons: [] };
}

function inOrder(found: readonly Normalisation[]): Normalisation[] {
  return (Object.keys(normalisations) as Normalisation[]).filter((one) => found.includes(one));
}

async function withFile(content: Content, path: string, budget: UnpackBudget): Promise<Listing> {
  try {
    await pipeline(content.open(), createWriteStream(path, { mode: 0o600 }));
    return await listZip(path, budget);
  } finally {
    await rm(path, { force: true });
  }
}

async function compareGzip(a: Content, b: Content, budget: UnpackBudget): Promise<FileComparison> {
  const opened = await both((side) => openGzip(side === 'a' ? a : b));
  if (isReasons(opened)) return different(opened);
  const [left, right] = opened;
  const reasons = left.header === right.header ? [] : ['extra field or comment of the gzip header differ'];
  const packed: Normalisation[] = left.name === right.name ? ['gzip'] : ['gzip', 'gzip-name'];
  const unpacked = await sameUnpacked(left, right, budget);
  if (typeof unpacked === 'string') return different([...reasons, unpacked]);
  if (typeof unpacked !== 'number') {
    if (reasons.length > 0) return { ...different(reasons), within: unpacked };
    return { result: 'normalised', normalisations: packed, within: unpacked, members: [], reasons };
  }
  const within = (side: Side) => ({ size: 0, open: () => (side === 'a' ? left : right).unpack(budget) });
  const heads = await both((side) => firstBytes(within(side), blockBytes));
  if (isReasons(heads)) return different([...reasons, ...heads]);
  if (!heads.every(isTar))
    return different([...reasons, `what they unpack to differs from offset ${unpacked} on`]);
  const compared = fromListings('tar', await both((side) => listTar(within(side).open(), budget)), packed);
  return reasons.length === 0 ? compared : different([...reasons, ...compared.reasons], compared.members);
}

type Unpacked = Pick<Awaited<ReturnType<typeof openGzip>>, 'unpack'>;

/** The bytes that both unpack to; the offset of the first byte that differs, or why one of them cannot be unpacked. */
async function sameUnpacked(
  a: Unpacked,
  b: Unpacked,
  budget: UnpackBudget,
): Promise<NonNullable<FileComparison['within']> | number | string> {
  const [left, right] = [new Pieces('a', a.unpack(budget)), new Pieces('b', b.unpack(budget))];
  const hash = createHash('sha256');
  let head = Buffer.alloc(0);
  let bytes = 0;
  try {
    for (;;) {
      const length = Math.min(await left.fill(), await right.fill());
      if (length === 0) break;
      const [one, other] = [left.take(length), right.take(length)];
      const same = sameBytes(one, other);
      if (same < length) return bytes + same;
      hash.update(one);
      bytes += length;
      head = Buffer.concat([head, one.subarray(0, blockBytes - head.length)]);
    }
    if (left.length + right.length > 0) return bytes;
  } catch (error) {
    if (error instanceof Irregular) return error.message;
    throw error;
  } finally {
    await Promise.all([left.close(), right.close()]);
  }
  return { format: isTar(head) ? 'tar' : 'file', bytes, sha256: hash.digest('hex') };
}

/** A stream of which two are compared, whatever the sizes of their chunks. */
class Pieces {
  readonly #side: Side;
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(side: Side, source: AsyncIterable<Uint8Array>) {
    this.#side = side;
    this.#source = source[Symbol.asyncIterator]();
  }

  get length(): number {
    return this.#rest.length;
  }

  /** Waits for bytes; 0 at the end. @throws {Irregular} */
  async fill(): Promise<number> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next().catch((error: unknown) => {
        throw error instanceof Irregular ? new Irregular(`${this.#side}: ${error.message}`) : error;
      });
      if (done === true) return 0;
      this.#rest = value;
    }
    return this.#rest.length;
  }

  take(length: number): Uint8Array {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  async close(): Promise<void> {
    await this.#source.return?.(undefined);
  }
}
