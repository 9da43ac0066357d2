import fc from 'fast-check';
import { isTreeCid, readVarint } from '../../../src/protocol/base/car.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import { linksOf } from '../../../src/store/nodes.ts';
import { decodeEnd, decodeRequest, encodeEnd, encodeRequest } from '../../../src/transfer/frames.ts';
import { CarDecoder } from '../../../src/transfer/index.ts';
import { cidOf } from '../../support/project.ts';
import { mutatedBytes, mutatedJson, mutatedText } from '../arbitraries.ts';
import { cuts } from '../corpus.ts';
import { type AnyTarget, Broken, define, must } from '../target.ts';
import { smallCar } from './blocks.ts';

/** The blocks that a receiver takes of a stream that comes in these pieces, and how it ends. */
async function received(pieces: readonly Uint8Array[]): Promise<{ said: string; error?: QuorateError }> {
  const { root, blocks } = await smallCar();
  const decoder = new CarDecoder([{ cid: root, depth: 0 }], linksOf);
  let said = '';
  try {
    for (const piece of pieces) {
      decoder.push(piece);
      for (let block = decoder.next(); block !== undefined; block = decoder.next()) {
        const really = await blocks.read(block.cid).catch(() => undefined);
        if (really === undefined || Buffer.compare(really, block.bytes) !== 0)
          throw new Broken('a block was taken that is not of the tree');
        said += `${block.cid} `;
      }
    }
    decoder.end();
    must(
      decoder.rest().every(({ cid }) => !said.includes(cid.toString())),
      'a block that came is asked for again',
    );
    return { said };
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    return { said: said + error.code, error };
  }
}

const car = define<Uint8Array>({
  name: 'car-stream',
  seeds: async () => [(await smallCar()).bytes],
  arbitrary: mutatedBytes,
  async run(bytes) {
    const found = await Promise.all(cuts(bytes).map(received));
    const said = new Set(found.map((one) => one.said));
    must(said.size === 1, `other pieces, another outcome: ${[...said].join(' / ')}`);
    if (found[0]?.error !== undefined) throw found[0].error;
  },
});

const varint = define<Uint8Array>({
  name: 'varint',
  seeds: async () => [[0], [127], [128, 1], [255, 255, 255, 127]].map((bytes) => Uint8Array.from(bytes)),
  arbitrary: mutatedBytes,
  run(bytes) {
    const read = readVarint(bytes, 0);
    must(
      read === undefined || (read.value < 2 ** 28 && read.next <= bytes.length),
      'a number past its bound',
    );
    must(read !== undefined || bytes.length < 4, 'a number without an end is waited for');
    must(!isTreeCid(bytes) || bytes.length >= 4, 'a CID without its head');
  },
});

const request = define<string>({
  name: 'transfer-request',
  seeds: async () => {
    const { root } = await smallCar();
    return [fromUtf8(encodeRequest([root], 1000)), fromUtf8(encodeRequest([root, root], 1))];
  },
  arbitrary: (seeds) => fc.oneof(mutatedText(seeds, [cidOf('a')]), mutatedJson(seeds)),
  run(text) {
    const read = decodeRequest(toUtf8(text));
    const again = decodeRequest(encodeRequest(read.roots, read.max));
    must(
      again.max === read.max && String(again.roots) === String(read.roots),
      'the request that was read is another',
    );
  },
});

const end = define<string>({
  name: 'transfer-end',
  seeds: async () => [
    fromUtf8(encodeEnd({ kind: 'end' })),
    fromUtf8(encodeEnd({ kind: 'failed', code: 'STORE_BLOCK_MISSING', message: 'not here' })),
  ],
  arbitrary: (seeds) => fc.oneof(mutatedText(seeds), mutatedJson(seeds)),
  run(text) {
    const read = decodeEnd(toUtf8(text));
    must(
      JSON.stringify(decodeEnd(encodeEnd(read))) === JSON.stringify(read),
      'the end that was read is another',
    );
  },
});

export const targets: readonly AnyTarget[] = [car, varint, request, end];
