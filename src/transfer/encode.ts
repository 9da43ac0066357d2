import type { CID } from 'multiformats/cid';
import { carHeader, sectionHead } from '../protocol/base/car.ts';
import { assert } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { keyOf, Walk } from './dag-walk.ts';
import type { Alloc, BlockSource } from './types.ts';

/** Blocks read ahead, to hide the latency of the disk; each uses up to 1 MiB of memory. */
const aheadMax = 2;
assert(
  (aheadMax + 2) * limits.blockBytesMax < 8 * limits.meshWindowBytes,
  'the ring holds all that is read and not sent',
);

/**
 * Trees as one CARv1, in chunks: `application/vnd.ipld.car; version=1; order=dfs; dups=n` of a trustless gateway. Blocks are read a few
 * ahead of the consumer. The archive ends after the block that reaches `maxBytes`. Memory of `alloc` must stay valid until the consumer
 * has used the chunk. @throws as `source.read` for a missing block
 */
export async function* encodeCar(
  source: BlockSource,
  roots: readonly CID[],
  { maxBytes = Number.POSITIVE_INFINITY, alloc }: { maxBytes?: number; alloc?: Alloc } = {},
): AsyncGenerator<Uint8Array> {
  const walk = new Walk(roots.map((cid) => ({ cid, depth: 0 })));
  const reads = new Map<string, Promise<Uint8Array>>();
  const read = (cid: CID): Promise<Uint8Array> => {
    const key = keyOf(cid);
    const reading = reads.get(key) ?? source.read(cid, alloc);
    // Its consumer gets the failure; a failed read ahead that is not used is ignored.
    reading.catch(() => {});
    reads.set(key, reading);
    return reading;
  };
  yield carHeader(roots.map(({ bytes }) => bytes));
  let sent = 0;
  for (let step = walk.next(); step !== undefined; step = walk.next()) {
    const { cid } = step;
    const bytes = await read(cid);
    reads.delete(keyOf(cid));
    walk.enter(step, source.links(cid, bytes));
    for (const next of walk.ahead(aheadMax)) void read(next);
    yield sectionHead(cid.bytes, bytes.length);
    yield bytes;
    sent += bytes.length;
    if (sent >= maxBytes) return;
  }
}
