import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import type { Store } from '../../src/store/index.ts';

/**
 * A tree as a builder can make it by hand: so many folders below each other, each `x` in the one above it, with so many names beside it.
 * Each has a file `bytes` of as many blocks, all the same one of a byte; the lowest has it as `x` too.
 * `nodeBytes`: size of all blocks with links.
 */
export async function linkedTree(
  { blocks }: Store,
  { links, folders }: { links: number; folders: number },
): Promise<{ root: string; nodeBytes: number }> {
  let nodeBytes = 0;
  const put = async (code: number, bytes: Uint8Array) => {
    const cid = CID.createV1(code, await sha256.digest(bytes));
    await blocks.put(cid, bytes);
    if (code === 0x70) nodeBytes += bytes.length;
    return cid;
  };
  return blocks.during(async () => {
    const leaf = await put(0x55, new Uint8Array(1));
    const linksTo = (name: (n: number) => string) =>
      Array.from({ length: links }, (_, n) => ({ Name: name(n), Hash: leaf, Tsize: 1 }));
    const parts = new UnixFS({ type: 'file' });
    for (let n = 0; n < links; n++) parts.addBlockSize(1n);
    const bytes = await put(0x70, encode({ Data: parts.marshal(), Links: linksTo(() => '') }));
    const names = linksTo((n) => `f${String(n).padStart(6, '0')}`);
    const Data = new UnixFS({ type: 'directory' }).marshal();
    let folder = bytes;
    for (let n = 0; n < folders; n++) {
      const below = [
        { Name: 'bytes', Hash: bytes, Tsize: 1 },
        { Name: 'x', Hash: folder, Tsize: 1 },
      ];
      folder = await put(0x70, encode(prepare({ Data, Links: [...names, ...below] })));
    }
    return { root: folder.toString(), nodeBytes };
  });
}
