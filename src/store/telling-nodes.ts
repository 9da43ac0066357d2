import type { CID } from 'multiformats/cid';
import { pbCode } from '../protocol/base/car.ts';
import type { TellNode } from './types.ts';

type Read = (cid: CID, alloc?: (size: number) => Uint8Array) => Promise<Uint8Array>;

/** Reads the same blocks, and tells of each node. */
export const tellingNodes =
  (blocks: { read: Read }, tell: TellNode): Read =>
  async (cid, alloc) => {
    const bytes = await blocks.read(cid, alloc);
    if (cid.code === pbCode) await tell(bytes.length);
    return bytes;
  };
