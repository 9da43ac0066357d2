import fc from 'fast-check';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { describe, expect, it } from 'vitest';
import { CarParser, carHeader, sectionHead } from '../../src/protocol/base/car.ts';
import { CarDecoder, encodeCar, type VerifiedBlock } from '../../src/transfer/index.ts';
import { noiseBytes, store } from '../store/support.ts';
import { carOf, importInto, small } from './support.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The blocks of a CAR that comes in pieces of these sizes, or the code of what is wrong with it. */
function decoded(
  car: Uint8Array,
  root: CID,
  links: ConstructorParameters<typeof CarDecoder>[1],
  sizes: number[],
) {
  const decoder = new CarDecoder([{ cid: root, depth: 0 }], links);
  const blocks: VerifiedBlock[] = [];
  try {
    for (let at = 0, turn = 0; at < car.length; turn += 1) {
      const size = sizes[turn % sizes.length] ?? 1;
      decoder.push(car.subarray(at, at + size));
      at += size;
      for (let block = decoder.next(); block !== undefined; block = decoder.next()) blocks.push(block);
    }
    decoder.end();
  } catch (error) {
    return { blocks, code: (error as { code?: string }).code ?? String(error), rest: decoder.rest() };
  }
  return { blocks, code: 'none', rest: decoder.rest() };
}

describe('CAR', () => {
  it('has the header that the specification gives for one root', () => {
    // https://ipld.io/specs/transport/car/fixture/carv1-basic/ with its first root alone.
    const root = CID.parse('bafyreihyrpefhacm6kkp4ql6j6udakdit7g3dmkzfriqfykhjw6cad5lrm');
    expect(hex(carHeader([root.bytes]))).toBe(
      `3aa265726f6f747381d82a582500${hex(root.bytes)}6776657273696f6e01`,
    );
    expect(hex(sectionHead(root.bytes, 300))).toBe(`d002${hex(root.bytes)}`);
  });

  it('gives each block once, depth first, in the order of the links', async () => {
    const s = await store();
    const root = await importInto(s, [
      { name: 'a/1', body: 'one' },
      { name: 'a/2', body: 'two' },
      { name: 'b', body: 'one' },
      { name: 'c/1', body: noiseBytes(2_200_000) },
    ]);
    const { blocks, code } = decoded(await carOf(s, root), CID.parse(root), s.blocks.links, [100_000]);
    expect(code).toBe('none');
    const paths = new Map([[root, '']]);
    for await (const { path, cid } of s.list(root)) if (!paths.has(cid)) paths.set(cid, path);
    expect(blocks.map(({ cid }) => paths.get(cid.toString()) ?? 'chunk')).toEqual([
      '',
      'a',
      'a/1',
      'a/2',
      'c',
      'c/1',
      'chunk',
      'chunk',
      'chunk',
    ]);
  });

  it('ends after the block that reaches the bytes asked for', async () => {
    const s = await store();
    const root = CID.parse(await importInto(s, [{ name: 'big', body: noiseBytes(4_000_000) }]));
    let bytes = 0;
    for await (const piece of encodeCar(s.blocks, [root], { maxBytes: 1_500_000 })) bytes += piece.length;
    expect(bytes).toBeGreaterThan(2_000_000);
    expect(bytes).toBeLessThan(2_200_000);
  });

  it('is decoded the same however it is cut into pieces', async () => {
    const s = await store();
    const root = CID.parse(await importInto(s, small(30)));
    const car = await carOf(s, root.toString());
    const whole = decoded(car, root, s.blocks.links, [car.length]);
    expect(whole.blocks.length).toBe(51);
    const sizes = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(sizes, (cuts) => {
        const result = decoded(car, root, s.blocks.links, cuts);
        expect(result.blocks.map(({ cid }) => cid.toString())).toEqual(
          whole.blocks.map(({ cid }) => cid.toString()),
        );
        expect(result.code).toBe('none');
      }),
      { numRuns: 60 },
    );
  });

  it('with any byte changed, left out or put in gives only blocks that are right, and a code', async () => {
    const s = await store();
    const root = CID.parse(await importInto(s, small(12, 60)));
    const car = await carOf(s, root.toString());
    const right = decoded(car, root, s.blocks.links, [car.length]).blocks.map(({ cid }) => cid.toString());
    const change = fc.record({
      at: fc.integer({ min: 0, max: car.length - 1 }),
      drop: fc.integer({ min: 0, max: 50 }),
      put: fc.uint8Array({ maxLength: 50 }),
    });
    fc.assert(
      fc.property(change, ({ at, drop, put }) => {
        const changed = Buffer.concat([car.subarray(0, at), put, car.subarray(at + drop)]);
        fc.pre(!changed.equals(car));
        const { blocks, code, rest } = decoded(changed, root, s.blocks.links, [777]);
        expect(blocks.map(({ cid }) => cid.toString())).toEqual(right.slice(0, blocks.length));
        expect(code).toMatch(/^(none|CAR_MALFORMED|TRANSFER_(WRONG_BLOCK|HASH_MISMATCH|EXCESS_DATA))$/);
        // Only an archive that ends between two blocks is well formed, and then it says what is left.
        if (code === 'none') expect(rest.length).toBeGreaterThan(0);
      }),
      { numRuns: 400 },
    );
  });

  it('of noise is refused without holding on to it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5_000 }), (noise) => {
        const parser = new CarParser(carHeader([]));
        parser.push(Buffer.concat([carHeader([]), noise]));
        try {
          for (let section = parser.next(); section !== undefined; section = parser.next())
            expect(section.cid.length).toBe(36);
        } catch (error) {
          expect(error).toMatchObject({ code: 'CAR_MALFORMED' });
        }
      }),
      { numRuns: 300 },
    );
  });

  it('takes a block of nothing', async () => {
    const cid = CID.createV1(0x55, await sha256.digest(new Uint8Array()));
    const car = Buffer.concat([carHeader([cid.bytes]), sectionHead(cid.bytes, 0)]);
    const { blocks, code, rest } = decoded(car, cid, () => [], [5]);
    expect([blocks.length, code, rest.length]).toEqual([1, 'none', 0]);
  });
});
