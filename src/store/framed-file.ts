import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';

/** The mode of a file or node that states one. */
export const executableMode = 0o755;

/** In place of an offset: the block is all of the linked file, in the node of an executable that has one chunk. */
export const framedAt = -1;

/** The block that an executable of one chunk is: its mode is in a node, and its bytes with it. */
export function frameExecutable(content: Uint8Array): Uint8Array {
  const data = new UnixFS({ type: 'file', data: content, mode: executableMode });
  return encode(prepare({ Data: data.marshal(), Links: [] }));
}
