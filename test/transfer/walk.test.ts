import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { describe, expect, it, vi } from 'vitest';
import { carHeader, pbCode, rawCode, sectionHead } from '../../src/protocol/base/car.ts';
import { reportedError } from '../../src/protocol/base/errors.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { below, Walk } from '../../src/transfer/dag-walk.ts';
import { FetchState } from '../../src/transfer/fetch-state.ts';
import { decodeRequest, encodeRequest } from '../../src/transfer/frames.ts';
import { type BlockSink, CarDecoder, encodeCar, type FetchOptions } from '../../src/transfer/index.ts';
import { ProviderSession, type Work } from '../../src/transfer/provider-session.ts';
import { ringAlloc } from '../../src/transfer/serve.ts';
import { codeOf } from '../support/code-and-folder.ts';
import { withLimits } from '../support/with-limits.ts';
import { block, car, cid, cidOf, Far, many, named, sink, turns } from './far.ts';

describe('a walk over a tree', () => {
  const links = [named('a')];

  it('goes 600 links deep and no further', async () => {
    const root = named('root', pbCode);
    expect(below({ cid: root, depth: 599 }, links)).toEqual([{ cid: links[0], depth: 600 }]);
    expect(below({ cid: root, depth: 600 }, [])).toEqual([]);
    expect(await codeOf(() => below({ cid: root, depth: 600 }, links))).toBe('STORE_TREE_TOO_DEEP');
  });

  it('holds 500,000 open links and no more, however often one block is linked', async () => {
    const root = { cid: named('root', pbCode), depth: 0 };
    const one = named('a');
    const open = (count: number) =>
      new Walk([]).enter(
        root,
        Array.from({ length: count }, () => one),
      );
    expect(await codeOf(() => open(500_000))).toBeUndefined();
    expect(await codeOf(() => open(500_001))).toBe('STORE_TREE_TOO_MANY_BLOCKS');
  });

  it('gives a block that was put back again', () => {
    const [first, second] = many(2).map((cid) => ({ cid, depth: 0 }));
    if (first === undefined || second === undefined) throw new Error('two blocks');
    const walk = new Walk([first, second]);
    expect(walk.next()).toBe(first);
    walk.back(first);
    expect(walk.rest()).toEqual([second, first]);
    expect(walk.next()).toBe(first);
    expect(walk.next()).toBe(second);
    expect(walk.next()).toBeUndefined();
  });

  it('looks ahead as far as the first block that has links', () => {
    const cids = [named('a'), named('b'), named('c', pbCode), named('d')];
    const walk = new Walk(cids.map((cid) => ({ cid, depth: 0 })));
    expect(walk.ahead(2)).toEqual(cids.slice(0, 2));
    expect(walk.ahead(9)).toEqual(cids.slice(0, 3));
    const plain = many(3);
    const all = new Walk([...plain, ...plain].map((cid) => ({ cid, depth: 0 })));
    expect(all.ahead(9)).toEqual([...plain, ...plain]);
    all.next();
    expect(all.ahead(2)).toEqual(plain.slice(1));
    expect(all.ahead(9)).toEqual([...plain.slice(1), ...plain.slice(1)]);
  });
});

describe('an archive of blocks', () => {
  const archive = async (count: number, maxBytes?: number, links: (cid: CID) => CID[] = () => []) => {
    const read = vi.fn(async (_: CID) => new Uint8Array(5));
    const pieces: Uint8Array[] = [];
    const options = maxBytes === undefined ? {} : { maxBytes };
    for await (const piece of encodeCar({ read, links }, many(count), options)) pieces.push(piece);
    return { blocks: (pieces.length - 1) / 2, read: read.mock.calls.map(([cid]) => `${cid}`) };
  };

  it('ends after the block that reaches the bytes asked for', async () => {
    expect((await archive(9, 10)).blocks).toBe(2);
    expect((await archive(9, 11)).blocks).toBe(3);
  });

  it('reads each block once, two of them ahead', async () => {
    const twice = await archive(5, undefined, (cid) => (cid.equals(many(1)[0]) ? many(4).slice(1) : []));
    expect(twice.blocks).toBe(5);
    expect(twice.read.toSorted()).toEqual(many(5).map(String).toSorted());
    expect((await archive(9, 1)).read).toHaveLength(3);
  });

  it('with a block that the reader cannot read is over when that is its turn, not before', async () => {
    const [first, second] = many(2);
    const fault = reportedError('STORE_BLOCK_NOT_FOUND', 'not here');
    const read = (cid: CID) => (second?.equals(cid) ? Promise.reject(fault) : Promise.resolve(block));
    const pieces = encodeCar({ read, links: () => [] }, [first, second] as CID[]);
    for (let piece = 0; piece < 3; piece++) expect((await pieces.next()).done).toBe(false);
    await expect(pieces.next()).rejects.toBe(fault);
  });
});

describe('blocks that came', () => {
  const other = Buffer.from('other bytes');
  const head = carHeader([cid.bytes]);
  it.each([
    ['TRANSFER_WRONG_BLOCK', Buffer.concat([sectionHead(cidOf(other).bytes, other.length), other])],
    ['TRANSFER_HASH_MISMATCH', Buffer.concat([sectionHead(cid.bytes, other.length), other])],
  ])('otherwise than asked for are %s, and are still due', async (code, section) => {
    const decoder = new CarDecoder([{ cid, depth: 0 }], () => []);
    decoder.push(Buffer.concat([head, section]));
    expect(await codeOf(() => decoder.next())).toBe(code);
    expect(decoder.rest()).toEqual([{ cid, depth: 0 }]);
  });

  it('after the last one are TRANSFER_EXCESS_DATA', async () => {
    const decoder = new CarDecoder([{ cid, depth: 0 }], () => []);
    decoder.push(Buffer.concat([car, car.subarray(head.length)]));
    expect(decoder.next()).toMatchObject({ cid, depth: 0 });
    expect(await codeOf(() => decoder.next())).toBe('TRANSFER_EXCESS_DATA');
  });
});

describe('memory for blocks that are sent', () => {
  it('is one ring from 64 KiB on, which begins anew only where no room is left', () => {
    const alloc = ringAlloc();
    const [first, second] = [alloc(64 * 1024), alloc(64 * 1024)];
    expect(alloc(64 * 1024 - 1).buffer).not.toBe(first.buffer);
    expect([first.buffer === second.buffer, first.byteOffset, second.byteOffset]).toEqual([true, 0, 65_536]);
    const rest = alloc(first.buffer.byteLength - 2 * 65_536);
    expect([rest.buffer === first.buffer, rest.byteOffset]).toEqual([true, 2 * 65_536]);
    expect(alloc(64 * 1024).byteOffset).toBe(0);
  });
});

describe('the state of a fetch', () => {
  const tree = many(4);
  const [root, ...below] = tree as [CID, ...CID[]];
  const verified = (one: CID, links: CID[] = [], size = 10) => ({
    cid: one,
    depth: 0,
    links,
    bytes: new Uint8Array(size),
  });
  const steps = (...cids: CID[]) => cids.map((one) => ({ cid: one, depth: 0 }));
  const state = (options: FetchOptions = {}, over: Partial<BlockSink> = {}) =>
    new FetchState(root, sink(over), options);

  it('asks for each block once, as many as are taken', async () => {
    const fetch = state();
    expect(fetch.waiting).toBe(1);
    fetch.want(steps(root, ...below, ...below));
    expect(fetch.waiting).toBe(4);
    expect(await fetch.take(2)).toEqual(steps(below[2] as CID, below[1] as CID));
    fetch.want(steps(below[2] as CID));
    expect(fetch.waiting).toBe(3);
    expect(await fetch.take(9)).toHaveLength(3);
    expect(await fetch.take(9)).toEqual([]);
  });

  it('asks no more for what has arrived, which counts once', async () => {
    const fetch = state();
    expect(await fetch.arrived(verified(root))).toBe(true);
    expect(await fetch.arrived(verified(root))).toBe(false);
    expect([fetch.blocks, fetch.bytes]).toEqual([1, 10]);
    await fetch.take(1);
    fetch.want(steps(root));
    expect(fetch.waiting).toBe(0);
  });

  it('goes on below what is here, and reads no links of plain bytes', async () => {
    const folder = named('folder', pbCode);
    const read = vi.fn(async () => new Uint8Array());
    const here = sink({ read, touch: (of) => (of.equals(below[2]) ? undefined : 7), links: () => below });
    const fetch = new FetchState(folder, here, {});
    expect(await fetch.take(5)).toEqual([{ cid: below[2], depth: 1 }]);
    expect(read).toHaveBeenCalledTimes(1);
    expect([fetch.blocks, fetch.bytes]).toEqual([3, 21]);
  });

  it('takes as many bytes and blocks as the tree may have, and no more', async () => {
    withLimits(limits, { treeBlocksMax: 3 });
    const fetch = state({ maxBytes: 20 });
    await fetch.arrived(verified(root, below.slice(0, 2)));
    await fetch.arrived(verified(below[0] as CID, [root, ...below.slice(0, 2)]));
    expect(await codeOf(() => fetch.arrived(verified(below[1] as CID, [], 1)))).toBe('STORE_TREE_TOO_LARGE');
    const wide = state({});
    expect(await codeOf(() => wide.arrived(verified(root, below)))).toBe('STORE_TREE_TOO_MANY_BLOCKS');
  });
});

describe('a session with a provider', () => {
  it('counts a block that another one brought before as not served', async () => {
    let isDone = false;
    const taken = [{ steps: [{ cid, depth: 0 }], max: 5 }];
    const arrived = vi.fn(async () => false);
    const work: Work = {
      take: async () => taken.shift(),
      changed: async () => {},
      links: () => [],
      arrived,
      giveBack: () => {
        isDone = true;
      },
      get isDone() {
        return isDone;
      },
    };
    const far = new Far(car, new Uint8Array(), Buffer.from('{"kind":"end"}'));
    const session = new ProviderSession({ peer: 'a', open: async () => far }, work);
    await session.run();
    expect(arrived).toHaveBeenCalledTimes(1);
    expect([session.served, session.rate(performance.now()), session.failure]).toEqual([0, 0, undefined]);
  });

  it('has two requests on their way, and asks no more until one is answered', async () => {
    let left = 9;
    const work: Work = {
      take: async () => ({ steps: [{ cid: many(left)[--left] as CID, depth: 0 }], max: 5 }),
      changed: () => new Promise<void>(() => {}),
      isDone: false,
      links: () => [],
      arrived: async () => true,
      giveBack: vi.fn(),
    };
    const far = new Far();
    const silent = Promise.withResolvers<undefined>();
    far.receive = () => silent.promise;
    const session = new ProviderSession({ peer: 'a', open: async () => far }, work);
    const ended = session.run();
    await expect.poll(() => far.sent.length).toBe(2);
    await turns();
    expect(far.sent).toHaveLength(2);
    expect(session.isBusy).toBe(true);
    session.drop(new Error('enough'));
    silent.resolve(undefined);
    await ended;
    expect(work.giveBack).toHaveBeenCalledWith([7, 8].map((n) => ({ cid: many(9)[n], depth: 0 })));
    expect(session.failure?.message).toBe('enough');
  });
});

it('names at most 1,024 blocks in a request', async () => {
  expect(decodeRequest(encodeRequest(many(1024), 5)).roots).toHaveLength(1024);
  expect(await codeOf(() => decodeRequest(encodeRequest(many(1025), 5)))).toBe('TRANSFER_INVALID');
  expect(await codeOf(() => decodeRequest(encodeRequest(many(1), 0)))).toBe('TRANSFER_INVALID');
});

it.each([
  ['no CID', 'not a CID'],
  ['one that is shorter than a hash', `${CID.createV1(rawCode, create(0x12, new Uint8Array(20)))}`],
  ['one of another hash', `${CID.createV1(rawCode, create(0x13, new Uint8Array(32)))}`],
  ['one of another kind of block', `${CID.createV1(0x71, create(0x12, new Uint8Array(32)))}`],
  ['one of the first version', `${CID.createV0(create(0x12, new Uint8Array(32)))}`],
])('refuses a request that names %s', async (_, root) => {
  const request = Buffer.from(JSON.stringify({ roots: [`${named('a')}`, root], max: 5 }));
  expect(await codeOf(() => decodeRequest(request))).toBe('TRANSFER_INVALID');
});
