import { deflateRawSync } from 'node:zlib';
import { expect, it } from 'vitest';
import {
  bytesOf,
  inflateWhole,
  slice,
  UnpackBudget,
} from '../../../src/client/comparison/archive-content.ts';

const packed = deflateRawSync(Buffer.alloc(200_000, 'noise of no kind'));

function unpacked(
  source: AsyncIterable<Uint8Array>,
  size = packed.length,
  signal = new AbortController().signal,
) {
  return bytesOf(inflateWhole(source, size, new UnpackBudget(signal)));
}

async function* pieces(upTo: number, error?: Error): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < upTo; at += 50) yield packed.subarray(at, Math.min(upTo, at + 50));
  if (error !== undefined) throw error;
}

it('a part of a source is read, and nothing behind it', async () => {
  const failing = () => pieces(200, new Error('no disk'));
  const part = async (from: number, to: number) => bytesOf(slice(failing(), from, to));
  for (const [from, to] of [
    [0, 0],
    [0, 200],
    [49, 51],
    [50, 100],
    [60, 61],
    [120, 199],
  ] as const)
    expect(await part(from, to)).toEqual(packed.subarray(from, to));
  await expect(part(0, 201)).rejects.toThrow('no disk');
});

it('a source that fails is no damage of the archive', async () => {
  expect(await unpacked(pieces(packed.length))).toHaveLength(200_000);
  await expect(unpacked(pieces(60, new Error('no disk')))).rejects.toThrow(/^no disk$/);
  await expect(unpacked(pieces(packed.length - 1))).rejects.toThrow(/cannot be unpacked: unexpected end/);
  await expect(unpacked(pieces(packed.length), packed.length + 3)).rejects.toThrow('it has 3 bytes behind');
});

it('unpacking ends with the signal of its caller', async () => {
  const stopped = AbortSignal.abort(new Error('enough'));
  await expect(unpacked(pieces(packed.length), packed.length, stopped)).rejects.toThrow('enough');
});
