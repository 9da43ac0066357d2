import { CID } from 'multiformats/cid';
import { z } from 'zod';
import { isTreeCid } from '../protocol/base/car.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { transferLimits } from './limits.ts';

/**
 * Messages of `/quorate/car/1`. The receiver sends requests in JSON: `{"roots": [CID, …], "max": bytes}`. The sender
 * answers them in order: chunks of one CAR, each a message of at least one byte, then an empty message, then in JSON
 * `{"kind": "end"}` or `{"kind": "failed", "code", "message"}`. Chunks need no prefix. A CAR ends after the block that
 * reaches `max`; the receiver requests the rest again.
 */
export const closing = new Uint8Array();

/** Largest message, in bytes: a block of the largest size with its head, or many small ones. */
export const messageBytesMax = limits.blockBytesMax + 64 * 1024;

const requestSchema = z.object({
  roots: z.array(z.string().max(100)).min(1).max(transferLimits.rootsMax),
  max: z.int().positive(),
});
const endSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('end') }),
  z.object({ kind: z.literal('failed'), code: z.string().max(100), message: z.string().max(1000) }),
]);

export type End = z.infer<typeof endSchema>;

const decoder = new TextDecoder('utf-8', { fatal: true });

function parse<T>(schema: z.ZodType<T>, bytes: Uint8Array, what: string): T {
  try {
    return schema.parse(JSON.parse(decoder.decode(bytes)));
  } catch (cause) {
    throw new QuorateError('TRANSFER_INVALID', `${what} is malformed`, { cause });
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
      if (isTreeCid(cid.bytes)) return cid;
    } catch {
      // The same error as for a CID of another kind.
    }
    throw new QuorateError('TRANSFER_INVALID', `${JSON.stringify(text)} is not the CID of a block of a tree`);
  });
  return { roots: cids, max };
}

export function encodeEnd(end: End): Uint8Array {
  return Buffer.from(JSON.stringify(end));
}

/** @throws TRANSFER_INVALID */
export function decodeEnd(message: Uint8Array): End {
  return parse(endSchema, message, 'the end of an answer');
}
