import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteQueue } from '../../../src/protocol/base/byte-queue.ts';
import { CarParser, carHeader, sectionHead } from '../../../src/protocol/base/car.ts';

const mib = 1024 * 1024;
const numbered = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, n) => (n * 7 + (n >> 8)) & 0xff);

const all = numbered(1_300_000);

describe('pieces', () => {
  it('give what was pushed, in order, however it is cut and taken', () => {
    const sizes = fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 500, max: 520 }),
      fc.nat({ max: 20_000 }),
    );
    const step = fc.record({ take: fc.boolean(), size: sizes });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const pieces = new ByteQueue();
        const taken: { at: number; bytes: Uint8Array }[] = [];
        let pushed = 0;
        let at = 0;
        for (const { take, size } of steps) {
          if (!take) {
            // The sender's memory is its own: what it writes there afterwards changes nothing that was small.
            pieces.push(all.slice(pushed, pushed + size));
            pushed += size;
          } else {
            const count = Math.min(size, pieces.length);
            expect(pieces.peek(count).subarray(0, count).length).toBeLessThanOrEqual(count);
            taken.push({ at, bytes: pieces.take(count) });
            at += count;
          }
          expect(pieces.length).toBe(pushed - at);
        }
        const rest = new Uint8Array(pieces.length);
        pieces.takeInto(rest);
        taken.push({ at, bytes: rest });
        // Only now: what was taken is not overwritten by what came later.
        for (const { at: from, bytes } of taken)
          expect(Buffer.compare(bytes, all.subarray(from, from + bytes.length))).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('show what is in front over several parts', () => {
    const pieces = new ByteQueue();
    pieces.push(Uint8Array.of(1, 2));
    pieces.push(new Uint8Array(600).fill(3));
    expect([...pieces.peek(4)]).toEqual([1, 2, 3, 3]);
    expect(pieces.length).toBe(602);
  });

  it('are kept as they come where they are large, and copied together where they are small', () => {
    const [large, small] = [new Uint8Array(512), new Uint8Array(511)];
    const pieces = new ByteQueue();
    for (const piece of [large, large, small]) pieces.push(piece);
    expect(pieces.peek(512).buffer).toBe(large.buffer);
    expect(pieces.take(512).buffer).toBe(large.buffer);
    expect(pieces.peek(512).buffer).toBe(large.buffer);
    expect(pieces.take(512).buffer).toBe(large.buffer);
    expect(pieces.take(511).buffer).not.toBe(small.buffer);
    expect(() => pieces.takeInto(new Uint8Array(1))).toThrow(/has arrived/);
    // A block has room for 16 KiB.
    for (let n = 0; n < 65; n += 1) pieces.push(new Uint8Array(256));
    expect(pieces.peek(1).length).toBe(16 * 1024 - 511 - ((16 * 1024 - 511) % 256));
    pieces.clear();
    pieces.push(large);
    expect(pieces.peek(1_000).buffer).toBe(large.buffer);
    pieces.clear();
    expect([pieces.length, pieces.peek(1).length]).toEqual([0, 0]);
    pieces.push(Uint8Array.of(7));
    expect([...pieces.take(1)]).toEqual([7]);
  });

  it('of one byte take the room of one byte', () => {
    const pieces = new ByteQueue();
    const before = process.memoryUsage();
    for (let n = 0; n < mib; n += 1) pieces.push(Uint8Array.of(n & 0xff));
    globalThis.gc?.();
    const after = process.memoryUsage();
    expect(pieces.length).toBe(mib);
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(
      40 * mib,
    );
  });
});

describe('an archive of blocks that comes byte by byte', () => {
  it('is read in time that grows with its bytes', () => {
    const header = carHeader([]);
    const cid = new Uint8Array(36);
    cid.set([1, 0x55, 0x12, 0x20]);
    const block = numbered(mib);
    const archive = Buffer.concat([header, sectionHead(cid, block.length), block]);
    const parser = new CarParser(header);
    const before = process.threadCpuUsage().user;
    let found: Uint8Array | undefined;
    for (let at = 0; at < archive.length; at += 1) {
      parser.push(archive.subarray(at, at + 1));
      found ??= parser.next()?.bytes;
    }
    parser.end();
    expect(Buffer.compare(found ?? new Uint8Array(), block)).toBe(0);
    expect(process.threadCpuUsage().user - before).toBeLessThan(5_000_000);
  });
});
