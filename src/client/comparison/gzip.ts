import { crc32 } from 'node:zlib';
import {
  bytesOf,
  type Content,
  firstBytes,
  Irregular,
  inflateWhole,
  slice,
  type UnpackBudget,
} from './archive-content.ts';

/** A gzip file (RFC 1952) of one member. */
export interface Gzip {
  /** File name in its header; undefined where it has none. */
  name: string | undefined;
  /** Header without name, time, compression level and system. */
  header: string;
  /** The unpacked bytes. Throws `Irregular` at the end where length or checksum differ. */
  unpack(budget: UnpackBudget): AsyncGenerator<Uint8Array>;
}

const headBytesMax = 128 * 1024;
const headBytesMin = 10;
const trailerBytes = 8;
const flags = { crc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;

export const isGzip = (head: Buffer): boolean => head.length >= 2 && head.readUInt16BE() === 0x1f8b;

/** Reads the header of a gzip file. Throws `Irregular`. */
export async function openGzip(content: Content): Promise<Gzip> {
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
  const header = JSON.stringify([flag & 1, extra?.toString('hex'), comment?.toString('hex')]);
  return { end: at, name, header };
}
