import { BaseBlockstore } from 'blockstore-core';
import type { CID } from 'multiformats/cid';
import { limits } from '../../src/protocol/base/limits.ts';
import { readDirectory } from '../../src/store/directory-read.ts';
import { linksOf } from '../../src/store/nodes.ts';
import { encodeCar } from '../../src/transfer/index.ts';

class Kept extends BaseBlockstore {
  readonly blocks = new Map<string, Uint8Array>();

  override async put(
    cid: CID,
    value: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<CID> {
    if (value instanceof Uint8Array) this.blocks.set(cid.toString(), value);
    return cid;
  }
}

/** The archive of a folder, as the gateway of a controller serves it. */
export async function carOf(dir: string): Promise<Buffer> {
  const kept = new Kept();
  const { root } = await readDirectory(`${dir}/`, kept, {
    maxBytes: limits.treeBytesMax,
    maxEntries: limits.treeEntriesMax,
  });
  const read = async (cid: CID) => {
    const bytes = kept.blocks.get(cid.toString());
    if (bytes === undefined) throw new Error(`${cid} is not in the tree`);
    return bytes;
  };
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeCar({ read, links: linksOf }, [root])) pieces.push(piece);
  return Buffer.concat(pieces);
}
