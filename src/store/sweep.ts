import { setImmediate as turn } from 'node:timers/promises';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { BlockNotFound, type Blocks } from './blocks.ts';
import { storeLimits } from './limits.ts';

/** Rewriting a pack costs its live bytes and wins the rest: worth it from half on. */
const liveShareMin = 0.5;
/** Blocks looked at in one go, a few milliseconds: everything else of the node waits for that long. */
const pageMax = 500;

/**
 * Removes blocks that are not kept and were last used before `usedBefore()`, in milliseconds since the epoch, and gives
 * their room back by rewriting packs that are mostly dead. Looking at a block's time and removing it is one synchronous
 * step, as is marking it used, so neither misses the other. Each pack goes only when its blocks are on the disk elsewhere.
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
  await rewrite(blocks, signal);
  return removed;
}

async function rewrite(blocks: Blocks, signal?: AbortSignal): Promise<void> {
  const live = blocks.index.liveBytes();
  const wasted = [...blocks.index.packs()]
    .filter(([pack, end]) => (live.get(pack) ?? 0) < end * liveShareMin)
    .map(([pack]) => pack);
  if (wasted.length === 0) return;
  // None of them may be the one that is appended to.
  blocks.writer.roll();
  for (const pack of wasted) {
    signal?.throwIfAborted();
    for (const { digest, codec, at } of blocks.index.rows(pack)) {
      const cid = CID.createV1(codec, createDigest(0x12, digest));
      const bytes = await blocks.read(cid).catch((error: unknown) => {
        if (!(error instanceof BlockNotFound)) throw error;
      });
      const now = blocks.index.find(digest);
      if (bytes !== undefined && now?.pack === pack && now.at === at) blocks.move(cid, bytes);
      if (blocks.writer.unwrittenBytes > storeLimits.packUnwrittenBytesMax) await blocks.writer.flush();
    }
    await blocks.sync();
    blocks.index.dropPack(pack);
    await blocks.index.sync();
    await blocks.files.remove(pack);
  }
}
