import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Extract, extract, type Header } from 'tar-stream';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { refuseEmptyHeaders } from '../../protocol/base/tar-headers.ts';
import { Irregular, type UnpackBudget } from './archive-content.ts';
import { comparisonLimits as bounds } from './limits.ts';
import { type Listing, type Member, memberPath, whyOrderCounts } from './listing.ts';

type Entry = Extract extends AsyncIterable<infer T> ? T & AsyncIterable<Uint8Array> : never;

export const blockBytes = 512;
/** Fields of a header (tar(5)). */
const fields = { mtime: [136, 148], checksum: [148, 156], size: [124, 136] } as const;
const type = 156;
/** Records of an extended header that hold times. */
const timeRecords = new Set(['mtime', 'atime', 'ctime', 'LIBARCHIVE.creationtime']);

export function isTar(head: Buffer): boolean {
  if (head.length < blockBytes) return false;
  const [from, to] = fields.checksum;
  const stated = Number.parseInt(head.toString('latin1', from, to).replaceAll('\0', ' ').trim(), 8);
  const sum = head.subarray(0, blockBytes).reduce((total, byte) => total + byte, 0);
  const own = head.subarray(from, to).reduce((total, byte) => total + byte, 0);
  return stated === sum - own + 8 * 32 && sum !== own;
}

/**
 * The members of a tar. Every byte counts: headers but for times, content by its hash, zeros behind the end by their number.
 * @throws {Irregular}
 */
export async function listTar(source: AsyncIterable<Uint8Array>, budget: UnpackBudget): Promise<Listing> {
  const parser = extract();
  refuseEmptyHeaders(parser, () => new Irregular('it has an empty header'));
  const raw = new HeaderBytes();
  let failure: unknown;
  const pumped = pipeline(
    Readable.from(raw.watch(source), { objectMode: false }).on('error', (error) => {
      failure = error;
    }),
    parser,
  );
  pumped.catch(() => {});
  const members: Member[] = [];
  try {
    for await (const entry of parser as AsyncIterable<Entry>) {
      budget.member();
      const header = entry.header as Header & { byteOffset: number };
      // Readers differ in whether its content follows; this one would wait for it without end.
      if (header.type === 'directory' && (header.size ?? 0) > 0)
        throw new Irregular('it has a folder with content');
      const bytes = raw.takeTo(header.byteOffset);
      const hash = createHash('sha256');
      let size = 0;
      for await (const chunk of entry) {
        hash.update(chunk);
        size += chunk.length;
        raw.skipTo(header.byteOffset + size);
      }
      members.push({ ...memberOf(header, bytes), size, sha256: hash.digest('hex') });
    }
    await pumped;
  } catch (error) {
    if (error instanceof QuorateError || error instanceof Irregular) throw error;
    throw failure ?? new Irregular(`it is not a whole tar archive: ${messageOf(error)}`);
  } finally {
    parser.destroy();
  }
  const hasLinks = members.find(({ rest }) => rest.startsWith('link '));
  const hasGlobal = members.some(({ rest }) => rest.includes(' global '));
  const orderCounts = hasLinks
    ? `${JSON.stringify(hasLinks.path)} is a hard link`
    : hasGlobal
      ? 'a header holds for all members behind it'
      : whyOrderCounts(members);
  return { format: 'tar', members, outer: '', padding: raw.padding(), orderCounts };
}

function memberOf(header: Header, bytes: Buffer): Omit<Member, 'size' | 'sha256'> {
  const { rest, times, isGlobal } = withoutTimes(bytes);
  const kinds = { file: 'file', directory: 'dir', symlink: 'link' } as const;
  const kind = kinds[header.type as keyof typeof kinds] ?? 'other';
  return {
    path: memberPath(header.name),
    kind,
    times,
    mode: header.mode,
    target: header.linkname || undefined,
    rest: `${header.type}${isGlobal ? ' global ' : ' '}${rest}`,
  };
}

/** Octal digits with blanks around them, or a binary number (tar(5)). */
const isHeaderTime = (field: Buffer): boolean =>
  /^ *[0-7]*[ \0]*$/.test(field.toString('latin1')) || [0x80, 0xff].includes(field.readUInt8());

/** The headers of one member, apart from what holds its times. */
function withoutTimes(bytes: Buffer): { rest: string; times: string; isGlobal: boolean } {
  const [rest, times] = [createHash('sha256'), createHash('sha256')];
  let isGlobal = false;
  for (let at = 0; at < bytes.length; ) {
    const header = Buffer.from(bytes.subarray(at, at + blockBytes));
    const kind = String.fromCharCode(header.readUInt8(type));
    at += blockBytes;
    const time = header.subarray(...fields.mtime);
    times.update(time);
    if (isHeaderTime(time)) time.fill(0);
    header.fill(0, ...fields.checksum);
    if (!'xgLK'.includes(kind)) {
      rest.update(header);
      if (at !== bytes.length) throw new Irregular('it has headers that belong to no member');
      continue;
    }
    const size = Number.parseInt(header.toString('latin1', ...fields.size), 8);
    const end = at + Math.ceil(size / blockBytes) * blockBytes;
    if (!(end < bytes.length)) throw new Irregular('it has an extended header without an end');
    const content = bytes.subarray(at, at + size);
    if (bytes.subarray(at + size, end).some((byte) => byte !== 0))
      throw new Irregular('it has bytes between its members');
    at = end;
    isGlobal ||= kind === 'g';
    if (kind === 'x') splitRecords(content, rest, times);
    else rest.update(header).update(content);
    // The name of an extended header may hold a process id; its length follows from its records.
    if (kind === 'x') times.update(header);
  }
  return { rest: rest.digest('hex'), times: times.digest('hex'), isGlobal };
}

type Hash = ReturnType<typeof createHash>;

/** A time as POSIX has it in a record; readers take anything else differently. */
const recordedTime = /^-?\d{1,20}(?:\.\d{1,20})?$/;

/** Sorts the records of an extended header, each `length key=value\n`. @throws {Irregular} */
function splitRecords(content: Buffer, rest: Hash, times: Hash): void {
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const digits = space === -1 ? '' : content.toString('latin1', at, space);
    const length = /^[1-9]\d{0,9}$/.test(digits) ? Number(digits) : 0;
    const record = content.subarray(at, at + length);
    const equals = record.indexOf(0x3d);
    if (record.length < length || record.at(-1) !== 0x0a || equals === -1)
      throw new Irregular('it has an extended header that cannot be read');
    const key = record.toString('utf8', space + 1 - at, equals);
    const isTime =
      timeRecords.has(key) && recordedTime.test(record.toString('latin1', equals + 1, length - 1));
    (isTime ? times : rest).update(record);
    at += length;
  }
}

/** The bytes between the contents of members, while they stream by. */
class HeaderBytes {
  #parts: Uint8Array[] = [];
  #held = 0;
  /** Offset of the first byte that is held, and of the end of the last content. */
  #at = 0;

  async *watch(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#parts.push(chunk);
      this.#held += chunk.length;
      if (this.#held > bounds.headerBytesMax) throw new Irregular('it has too much between its members');
      yield chunk;
    }
  }

  /** Drops content. */
  skipTo(offset: number): void {
    this.#take(offset - this.#at);
  }

  /** The headers in front of a member's content. @throws {Irregular} */
  takeTo(offset: number): Buffer {
    const padding = -this.#at & (blockBytes - 1);
    const bytes = this.#take(offset - this.#at);
    if (bytes.subarray(0, padding).some((byte) => byte !== 0))
      throw new Irregular('it has bytes between its members');
    const headers = bytes.subarray(padding);
    for (let at = 0; at < headers.length; at += blockBytes)
      if (headers.subarray(at, at + blockBytes).every((byte) => byte === 0))
        throw new Irregular('it goes on behind its end');
    return headers;
  }

  /** Number of zeros at the end. @throws {Irregular} */
  padding(): number {
    const lastPadding = -this.#at & (blockBytes - 1);
    const bytes = this.#take(this.#held);
    if (bytes.some((byte) => byte !== 0)) throw new Irregular('it has bytes behind its last member');
    return bytes.length - lastPadding;
  }

  #take(count: number): Buffer {
    const [first = Buffer.alloc(0), ...more] = this.#parts;
    const all =
      more.length === 0
        ? Buffer.from(first.buffer, first.byteOffset, first.length)
        : Buffer.concat(this.#parts);
    const taken = all.subarray(0, count);
    const left = all.subarray(count);
    this.#parts = left.length === 0 ? [] : [left];
    this.#held = left.length;
    this.#at += taken.length;
    return taken;
  }
}
