import { BaseBlockstore } from 'blockstore-core';
import type { CID } from 'multiformats/cid';

/** A blockstore that keeps only the last block put, which is the root. */
export class LastBlockOnly extends BaseBlockstore {
  last: { cid: CID; bytes: Uint8Array } | undefined;

  override async put(
    cid: CID,
    value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<CID> {
    if (value instanceof Uint8Array) this.last = { cid, bytes: value };
    return cid;
  }
}
