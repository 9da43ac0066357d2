import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import type { AreaIndex } from './block-index.ts';
import { BlockNotFound } from './block-not-found.ts';
import type { Blocks } from './blocks.ts';
import { storeLimits } from './limits.ts';

const sha256Code = 0x12;

/**
 * Moves all blocks of another area to this one and removes that area. Resolves when they are durable. Interrupted at any point, it can
 * be repeated.
 */
export async function adopt(blocks: Blocks, from: Blocks<AreaIndex>): Promise<void> {
  await from.writer.flush();
  for (const [pack, end] of from.index.packs()) {
    const rows = from.index.rows(pack);
    if (end > storeLimits.packCopyBytesMax) {
      await from.sync();
      const id = blocks.writer.newId();
      from.files.moveTo(pack, blocks.files, id);
      blocks.index.adopt(rows, id, end, Date.now());
      continue;
    }
    await blocks.batch(async () => {
      for (const { digest, codec } of rows) {
        const cid = CID.createV1(codec, createDigest(sha256Code, digest));
        const bytes = await from.read(cid).catch((error: unknown) => {
          if (!(error instanceof BlockNotFound)) throw error;
        });
        if (bytes !== undefined) await blocks.put(cid, bytes);
      }
    });
  }
  await blocks.sync();
  await from.discard();
}
