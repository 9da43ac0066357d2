import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { Blocks } from './blocks.ts';
import { BlockNotFound, cidFrom } from './nodes.ts';

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
      const cid = cidFrom(codec, digest);
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

/** A pack is rewritten when less than this fraction of its bytes is live. */
const liveShareMin = 0.5;
/** Blocks checked per turn of the event loop, a few milliseconds. */
const pageMax = 500;

/**
 * Removes blocks that are not kept and were last used before `usedBefore()`, in ms since the epoch, and rewrites packs with few live
 * bytes. Checking a block's time of use and removing it is one synchronous step, as is marking it used. A pack is deleted once its live
 * blocks are durable in another one.
 */
export async function sweepBlocks(
  blocks: Blocks,
  isKept: (digest: Uint8Array) => boolean,
  usedBefore: () => number,
  signal?: AbortSignal,
): Promise<{ blocks: number; bytes: number }> {
  const removed = { blocks: 0, bytes: 0 };
  for (let after: Uint8Array = new Uint8Array(); ; ) {
    const page = blocks.index.unused(usedBefore(), after, pageMax);
    const last = page.at(-1);
    if (last === undefined) break;
    for (const { digest, size } of page) {
      if (isKept(digest) || !blocks.index.removeUnused(digest, usedBefore())) continue;
      removed.blocks += 1;
      removed.bytes += size;
    }
    after = last.digest;
    await turn(undefined, { signal });
  }
  await blocks.sync();
  await compact(blocks, signal);
  return removed;
}

/** Rewrites packs with few live bytes. No sweep may run meanwhile. */
export async function compact(blocks: Blocks, signal?: AbortSignal): Promise<void> {
  const live = blocks.index.liveBytes();
  const wasted = [...blocks.index.packs()]
    .filter(([pack, end]) => (live.get(pack) ?? 0) < end * liveShareMin)
    .map(([pack]) => pack);
  if (wasted.length === 0) return;
  // The pack that is appended to must not be one of them.
  blocks.writer.roll();
  for (const pack of wasted) {
    signal?.throwIfAborted();
    for (const row of blocks.index.rows(pack)) {
      const { cid, bytes } = await blocks.readRow(row);
      const now = blocks.index.find(row.digest);
      if (bytes !== undefined && now?.pack === pack && now.at === row.at) await blocks.move(cid, bytes);
    }
    await blocks.sync();
    blocks.index.dropPack(pack);
    await blocks.files.remove(pack);
  }
}
