import { readFileSync, statSync } from 'node:fs';
import { uptime } from 'node:os';

// The write-ahead log of SQLite: a header of 32 bytes, then frames of a header of 24 bytes and a page (fileformat2.html, section 4).
const headerBytes = 32;
const frameHeaderBytes = 24;
/** Of the two that there are, the one whose checksums are of big-endian words. */
const bigEndianMagic = 0x377f0683;

type Sum = readonly [number, number];

/** Continues a checksum over 32-bit words, in pairs. */
function sumOver(bytes: Buffer, big: boolean, [first, second]: Sum): Sum {
  let [a, b] = [first, second];
  for (let at = 0; at < bytes.length; at += 8) {
    a = (a + (big ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + b) >>> 0;
    b = (b + (big ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + a) >>> 0;
  }
  return [a, b];
}

const isSame = ([a, b]: Sum, [c, d]: Sum): boolean => a === c && b === d;
const pairAt = (bytes: Buffer, at: number): Sum => [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];

/**
 * Says where a write-ahead log is not as it was written. SQLite takes the first frame that is not whole for the end, and silently drops
 * what was committed after it. A killed process leaves such a frame, but no whole transaction behind it; a power cut may, so a log that
 * was last written before this host started is not judged.
 */
export function walDamage(
  file: string,
  read = (path: string): Buffer => readFileSync(path),
): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined || found.mtimeMs < Date.now() - uptime() * 1000) return undefined;
  const bytes = read(file);
  const damage = damageIn(bytes);
  // Another process may have written meanwhile, so that a frame was read before and the next one after it: the database is in use then.
  return damage !== undefined && read(file).equals(bytes) ? damage : undefined;
}

function damageIn(bytes: Buffer): string | undefined {
  if (bytes.length < headerBytes + frameHeaderBytes) return undefined;
  const big = bytes.readUInt32BE(0) === bigEndianMagic;
  const headerSum = pairAt(bytes, 24);
  if (!isSame(sumOver(bytes.subarray(0, 24), big, [0, 0]), headerSum)) return 'its header is damaged';
  const frameBytes = frameHeaderBytes + bytes.readUInt32BE(8);
  const frames = Math.floor((bytes.length - headerBytes) / frameBytes);
  const salts = pairAt(bytes, 16);
  /** The frame of that number after one with this checksum: its own checksum, where it is whole. */
  const sumAfter = (n: number, before: Sum): Sum | undefined => {
    const frame = bytes.subarray(headerBytes + n * frameBytes, headerBytes + (n + 1) * frameBytes);
    if (!isSame(pairAt(frame, 8), salts)) return undefined;
    const sum = sumOver(frame.subarray(frameHeaderBytes), big, sumOver(frame.subarray(0, 8), big, before));
    return isSame(sum, pairAt(frame, 16)) ? sum : undefined;
  };
  const storedSum = (n: number) => pairAt(bytes, headerBytes + n * frameBytes + 16);
  let sum = headerSum;
  let end = 0;
  for (; end < frames; end++) {
    const next = sumAfter(end, sum);
    if (next === undefined) break;
    sum = next;
  }
  for (let n = end + 1; n < frames; n++) {
    const endsTransaction = bytes.readUInt32BE(headerBytes + n * frameBytes + 4) !== 0;
    if (endsTransaction && sumAfter(n, storedSum(n - 1)) !== undefined)
      return `frame ${end + 1} of ${frames} is damaged`;
  }
  return undefined;
}
