import { createHash } from 'node:crypto';
import { unixfs } from '@helia/unixfs';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Blockstore } from 'interface-blockstore';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { rawCode } from '../core/car.ts';
import { QuorateError } from '../core/errors.ts';
import { sizeText } from '../core/quantity.ts';

/** Name of the CID profile in a job: unixfs-v1-2025 of IPIP-499, plus mode 0755 on executables only. */
export const cidProfile = 'unixfs-v1-2025+x';

/** Chunk size of the profile in bytes: a plain file up to this size is one raw block. */
export const chunkBytes = 1_048_576;

export const executableMode = 0o755;

export interface StoredFile {
  cid: CID;
  /** Bytes of all blocks of the file, for the `Tsize` of the link to it. */
  dagSize: number;
  size: number;
  /** Hex, of the content. */
  sha256: string;
}

/** Stores one file's content. A `Uint8Array` of up to one chunk is stored directly; the CID does not depend on that. */
export async function storeFile(
  blocks: Blockstore,
  content: Uint8Array | AsyncIterable<Uint8Array>,
  executable: boolean,
): Promise<StoredFile> {
  if (content instanceof Uint8Array && content.length <= chunkBytes && !executable) {
    const digest = createHash('sha256').update(content).digest();
    const cid = CID.createV1(rawCode, createDigest(0x12, digest));
    await blocks.put(cid, content);
    return { cid, dagSize: content.length, size: content.length, sha256: bytesToHex(digest) };
  }
  const hash = createHash('sha256');
  let size = 0;
  async function* watched(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content instanceof Uint8Array ? [content] : content) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  const mode = executable ? { mode: executableMode } : {};
  const results = unixfs({ blockstore: blocks }).addAll([{ content: watched(), ...mode }], {
    profile: 'unixfs-v1-2025',
    blockWriteConcurrency: 8,
  });
  for await (const { cid, size: dagSize } of results) {
    return { cid, dagSize: Number(dagSize), size, sha256: hash.digest('hex') };
  }
  throw new Error('assertion failed: the importer returned nothing for a file');
}

/** Limits the bytes of content of one import. */
export class ByteBudget {
  used = 0;
  readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  /** @throws STORE_TREE_TOO_LARGE */
  take(bytes: number): void {
    this.used += bytes;
    if (this.used <= this.max) return;
    throw new QuorateError('STORE_TREE_TOO_LARGE', `the tree is over ${sizeText(this.max)}`, {
      hint: 'Make the outputs smaller or raise the limit of the job or the store.',
    });
  }
}
