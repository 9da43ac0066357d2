import type { CID } from 'multiformats/cid';
import { carHeader, sectionHead } from '../core/car.ts';
import { keyOf, Walk } from './dag-walk.ts';
import type { Alloc, BlockSource } from './types.ts';

/** Blocks read before their turn: they hide the disk, and each may be 1 MiB of memory. */
const aheadMax = 2;

/**
 * Trees as one CARv1, in pieces: what a trustless gateway gives as `application/vnd.ipld.car; version=1; order=dfs;
 * dups=n`. Reads as it is read from, holding a few blocks.
 * @param maxBytes ends after the block that reaches it
 * @param alloc gives memory for a block, which must hold until the piece has been used
 * @throws what `source.read` throws for a block that is not there
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
    // Whoever waits for it hears of a failure; one read in vain is nobody's concern.
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
    for (const next of walk.ahead(aheadMax)) read(next);
    yield sectionHead(cid.bytes, bytes.length);
    yield bytes;
    sent += bytes.length;
    if (sent >= maxBytes) return;
  }
}
