import { crc32, deflateSync, inflateSync } from 'node:zlib';

/** Bits of each channel that are kept where a picture has more colours than a palette. */
const keptBits = [8, 6, 5, 4, 3];
const coloursMax = 256;

/** A picture of Chromium (8 bits, RGB or RGBA, not interlaced) with a palette: a third of the bytes, for pages with few colours. */
export function smallPng(png: Buffer): Buffer {
  const { width, height, channels, rows } = pixelsOf(png);
  for (const bits of keptBits) {
    const mask = 0xff & (0xff << (8 - bits));
    const palette = new Map<number, number>();
    const indexes = Buffer.alloc((width + 1) * height);
    for (let y = 0; y < height && palette.size <= coloursMax; y++)
      for (let x = 0; x < width; x++) {
        const at = (y * width + x) * channels;
        const [r = 0, g = 0, b = 0] = rows.subarray(at, at + 3);
        const colour = ((r & mask) << 16) | ((g & mask) << 8) | (b & mask);
        const index = palette.get(colour) ?? palette.size;
        palette.set(colour, index);
        indexes[y * (width + 1) + 1 + x] = index;
      }
    if (palette.size > coloursMax) continue;
    const head = Buffer.alloc(13);
    head.writeUInt32BE(width, 0);
    head.writeUInt32BE(height, 4);
    head.set([8, 3, 0, 0, 0], 8);
    // The brightest value of a kept channel stands for white.
    const full = (value: number) => Math.round((value * 255) / mask);
    const colours = [...palette.keys()].flatMap((c) => [full(c >> 16), full((c >> 8) & 255), full(c & 255)]);
    const body = deflateSync(indexes, { level: 9 });
    const chunks = [chunk('IHDR', head), chunk('PLTE', Buffer.from(colours)), chunk('IDAT', body)];
    return Buffer.concat([png.subarray(0, 8), ...chunks, chunk('IEND', Buffer.alloc(0))]);
  }
  return png;
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

function pixelsOf(png: Buffer): { width: number; height: number; channels: number; rows: Buffer } {
  const [width, height, kind] = [png.readUInt32BE(16), png.readUInt32BE(20), png[25]];
  const channels = kind === 6 ? 4 : 3;
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const data = inflateSync(Buffer.concat(parts));
  const line = width * channels;
  const rows = Buffer.alloc(line * height);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (line + 1)] ?? 0;
    for (let x = 0; x < line; x++) {
      const raw = data[y * (line + 1) + 1 + x] ?? 0;
      const left = x < channels ? 0 : (rows[y * line + x - channels] ?? 0);
      const up = y === 0 ? 0 : (rows[(y - 1) * line + x] ?? 0);
      const corner = y === 0 || x < channels ? 0 : (rows[(y - 1) * line + x - channels] ?? 0);
      rows[y * line + x] = raw + predicted(filter, left, up, corner);
    }
  }
  return { width, height, channels, rows };
}

/** Of the filters of PNG (RFC 2083, 6). */
function predicted(filter: number, left: number, up: number, corner: number): number {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  if (filter !== 4) return 0;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(left + up - corner - value)) as [
    number,
    number,
    number,
  ];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
