import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { BaseBlockstore } from 'blockstore-core';
import type { Pair } from 'interface-blockstore';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { carHeader, type pbCode, type rawCode, sectionHead } from '../../../src/protocol/base/car.ts';
import { BlockNotFound, type BlockReader, checkCid, linksOf } from '../../../src/store/nodes.ts';
import { readTar } from '../../../src/store/tar-read.ts';
import { encodeCar } from '../../../src/transfer/index.ts';
import { tarBytes } from '../corpus.ts';

export const cidFor = (bytes: Uint8Array, codec: typeof rawCode | typeof pbCode): CID =>
  CID.createV1(codec, createDigest(0x12, createHash('sha256').update(bytes).digest()));

/** Blocks in memory, as stores and transfers see them. */
export class MemoryBlocks extends BaseBlockstore implements BlockReader {
  readonly #blocks = new Map<string, Uint8Array>();

  override async put(
    cid: CID,
    bytes: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<CID> {
    if (!(bytes instanceof Uint8Array)) throw new Error('assertion failed: blocks come whole');
    this.#blocks.set(checkCid(cid).toString(), bytes);
    return cid;
  }

  add(bytes: Uint8Array, codec: typeof rawCode | typeof pbCode): CID {
    const cid = cidFor(bytes, codec);
    this.#blocks.set(cid.toString(), bytes);
    return cid;
  }

  async read(cid: CID): Promise<Uint8Array> {
    const bytes = this.#blocks.get(cid.toString());
    if (bytes === undefined) throw new BlockNotFound('not here');
    return bytes;
  }

  size(cid: CID): number | undefined {
    return this.#blocks.get(cid.toString())?.length;
  }

  links(cid: CID, bytes: Uint8Array): CID[] {
    return linksOf(cid, bytes);
  }

  override async *getAll(): AsyncGenerator<Pair> {
    for (const [cid, bytes] of this.#blocks)
      yield {
        cid: CID.parse(cid),
        bytes: (async function* () {
          yield bytes;
        })(),
      };
  }

  all(): [cid: CID, bytes: Uint8Array][] {
    return [...this.#blocks].map(([cid, bytes]) => [CID.parse(cid), bytes]);
  }
}

let car: Promise<{ root: CID; blocks: MemoryBlocks; bytes: Uint8Array; sections: Uint8Array[] }> | undefined;
/** A tree of a few files, and its CAR. */
export function smallCar() {
  car ??= make();
  return car;
}

async function make() {
  const blocks = new MemoryBlocks();
  const tar = await tarBytes([
    { name: 'bin/tool', body: '#!/bin/sh\n', mode: 0o755 },
    { name: 'bin/same', body: 'twice' },
    { name: 'share/same', body: 'twice' },
    { name: 'share/empty' },
    { name: 'share/link', type: 'symlink', linkname: '../bin/tool' },
  ]);
  const { root } = await readTar(Readable.from([tar], { objectMode: false }), blocks, {
    maxBytes: 2 ** 20,
    maxEntries: 100,
  });
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeCar(blocks, [root])) pieces.push(piece);
  const sections = blocks
    .all()
    .map(([cid, bytes]) => new Uint8Array(Buffer.concat([sectionHead(cid.bytes, bytes.length), bytes])));
  return {
    root,
    blocks,
    bytes: new Uint8Array(Buffer.concat(pieces)),
    sections,
    header: carHeader([root.bytes]),
  };
}
