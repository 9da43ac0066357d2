import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Content, firstBytes, Irregular, type UnpackBudget } from './archive-content.ts';
import { type Gzip, isGzip, openGzip } from './gzip.ts';
import {
  compareListings,
  type Listing,
  type MemberDifference,
  type Normalisation,
  normalisations,
} from './listing.ts';
import { blockBytes, isTar, listTar } from './tar-listing.ts';
import { isZip, listZip } from './zip-listing.ts';

/** Comparison of two files whose bytes differ. */
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

export interface CompareFilesOptions {
  /** An existing folder for copies of zip archives. */
  scratch: string;
  budget: UnpackBudget;
}

type Side = 'a' | 'b';

/**
 * Compares two files whose bytes differ, as what they are: gzip, tar, a tar in gzip, zip. An archive in an archive is a file like
 * any other. What cannot be read to its last byte is different.
 * @throws COMPARE_TOO_LARGE, what reading the files throws, the signal's reason
 */
export async function compareFiles(
  a: Content,
  b: Content,
  { scratch, budget }: CompareFilesOptions,
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

const different = (reasons: string[], members: MemberDifference[] = []): FileComparison => ({
  ...{ result: 'different', normalisations: [], members, reasons },
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

/** The bytes that both unpack to; the offset of the first byte that differs, or why one of them cannot be unpacked. */
async function sameUnpacked(
  a: Gzip,
  b: Gzip,
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

/** How many bytes two arrays of one length begin with in common. */
function sameBytes(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return a.length;
  return a.findIndex((byte, at) => byte !== b[at]);
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

  /** Waits for bytes; 0 at the end. Throws `Irregular`. */
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
