import { setTimeout as sleep } from 'node:timers/promises';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { BlockNotFound } from './block-not-found.ts';
import type { Blocks } from './blocks.ts';

export interface ScrubOptions {
  /** How fast it reads, so that nobody waits for it. */
  bytesPerSecond: number;
  signal?: AbortSignal | undefined;
}

export interface Scrubbed {
  blocks: number;
  bytes: number;
  /** Blocks whose bytes were damaged. They are removed, and a sweep names the pinned trees that lack them. */
  damaged: number;
}

/** Reads every block once and compares it with its hash. */
export async function scrubBlocks(
  blocks: Blocks,
  { bytesPerSecond, signal }: ScrubOptions,
): Promise<Scrubbed> {
  const scrubbed: Scrubbed = { blocks: 0, bytes: 0, damaged: 0 };
  for (const pack of [...blocks.index.packs().keys()]) {
    for (const { digest, codec, size } of blocks.index.rows(pack)) {
      signal?.throwIfAborted();
      const cid = CID.createV1(codec, createDigest(0x12, digest));
      // It may have been swept meanwhile.
      if (!blocks.has(cid)) continue;
      try {
        await blocks.read(cid);
        scrubbed.blocks += 1;
        scrubbed.bytes += size;
      } catch (error) {
        if (!(error instanceof BlockNotFound)) throw error;
        scrubbed.damaged += 1;
      }
      await sleep((size / bytesPerSecond) * 1000, undefined, { signal });
    }
  }
  return scrubbed;
}
