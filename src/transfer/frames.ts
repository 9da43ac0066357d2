import { CID } from 'multiformats/cid';
import { z } from 'zod';
import { isTreeCid } from '../core/car.ts';
import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/**
 * Messages of `/quorate/car/1`. The receiver asks, in JSON: `{"roots": [CID, …], "max": bytes}`. The sender answers
 * each request in turn with frames of one byte of kind and a body: pieces of one CAR (`data`), then `end`, or `failed`
 * with `{"code", "message"}`. A CAR ends after the block that reaches `max`; what is left is asked for again.
 */
export const kinds = { data: 0, end: 1, failed: 2 } as const;

/** One message: a block of the largest size, its framing, and room for small ones. */
export const messageBytesMax = limits.blockBytesMax + 64 * 1024;

const requestSchema = z.strictObject({
  roots: z.array(z.string().max(100)).min(1).max(limits.transferRootsMax),
  max: z.int().positive(),
});
const failureSchema = z.object({ code: z.string().max(100), message: z.string().max(1000) });

const decoder = new TextDecoder('utf-8', { fatal: true });

function parse<T>(schema: z.ZodType<T>, bytes: Uint8Array, what: string): T {
  try {
    return schema.parse(JSON.parse(decoder.decode(bytes)));
  } catch (cause) {
    throw new QuorateError('TRANSFER_INVALID', `${what} cannot be understood`, { cause });
  }
}

export function encodeRequest(roots: readonly CID[], max: number): Uint8Array {
  return Buffer.from(JSON.stringify({ roots: roots.map(String), max }));
}

/** @throws TRANSFER_INVALID */
export function decodeRequest(message: Uint8Array): { roots: CID[]; max: number } {
  const { roots, max } = parse(requestSchema, message, 'a request');
  const cids = roots.map((text) => {
    try {
      const cid = CID.parse(text);
      if (isTreeCid(cid.bytes) && cid.bytes.length === 36) return cid;
    } catch {
      // Says the same as for a CID of another kind.
    }
    throw new QuorateError('TRANSFER_INVALID', `${JSON.stringify(text)} is not the CID of a block of a tree`);
  });
  return { roots: cids, max };
}

export function encodeFailure(code: string, message: string): Uint8Array {
  return Buffer.concat([
    Uint8Array.of(kinds.failed),
    Buffer.from(JSON.stringify({ code, message: message.slice(0, 1000) })),
  ]);
}

/** @throws TRANSFER_INVALID */
export function decodeFrame(
  message: Uint8Array,
): { kind: 'data'; piece: Uint8Array } | { kind: 'end' } | { kind: 'failed'; code: string; message: string } {
  const body = message.subarray(1);
  if (message[0] === kinds.data) return { kind: 'data', piece: body };
  if (message[0] === kinds.end && body.length === 0) return { kind: 'end' };
  if (message[0] === kinds.failed) return { kind: 'failed', ...parse(failureSchema, body, 'a failure') };
  throw new QuorateError('TRANSFER_INVALID', 'a frame of no known kind came');
}
