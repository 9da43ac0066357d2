import { createHash } from 'node:crypto';
import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { describe, expect, it, vi } from 'vitest';
import { carHeader, pbCode, rawCode, sectionHead } from '../../src/core/car.ts';
import { reportedError } from '../../src/core/errors.ts';
import { below, Walk } from '../../src/transfer/dag-walk.ts';
import { decodeRequest, encodeRequest } from '../../src/transfer/frames.ts';
import { type BlockSink, fetchBlock, fetchTree, type Pipe, serveTrees } from '../../src/transfer/index.ts';
import { codeOf } from '../runtime/support.ts';

const cidOf = (bytes: Uint8Array, code = rawCode): CID =>
  CID.createV1(code, create(0x12, createHash('sha256').update(bytes).digest()));
const named = (name: string, code = rawCode) => cidOf(Buffer.from(name), code);
const many = (count: number) => Array.from({ length: count }, (_, n) => named(`block ${n}`));

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
  });
});

it('names at most 1,024 blocks in a request', async () => {
  expect(decodeRequest(encodeRequest(many(1024), 5)).roots).toHaveLength(1024);
  expect(await codeOf(() => decodeRequest(encodeRequest(many(1025), 5)))).toBe('TRANSFER_INVALID');
  expect(await codeOf(() => decodeRequest(encodeRequest(many(1), 0)))).toBe('TRANSFER_INVALID');
});

/** A pipe of which the test is the other end; `sent` resolves a message of the side under test when the test lets it. */
class Far implements Pipe {
  readonly sent: { message: Uint8Array; leave: () => void }[] = [];
  readonly waits: (number | undefined)[] = [];
  isHeld = false;
  aborted: Error | undefined;
  closed = false;
  readonly #answers: (Uint8Array | undefined)[];

  constructor(...answers: (Uint8Array | undefined)[]) {
    this.#answers = answers;
  }

  async receive({ timeoutMs }: { timeoutMs?: number } = {}): Promise<Uint8Array | undefined> {
    this.waits.push(timeoutMs);
    return this.#answers.shift();
  }

  send(message: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.sent.push({ message, leave: resolve });
    if (!this.isHeld) resolve();
    return promise;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  abort(reason: Error): void {
    this.aborted = reason;
  }
}

const ends = (message: Uint8Array | undefined) => Buffer.from(message ?? []).toString();
const turns = () => new Promise((resolve) => setTimeout(resolve, 20));

describe('a server of trees', () => {
  const large = new Uint8Array(1024 * 1024);
  const served = (bytes: Uint8Array, asked: string[] = []) => ({
    read: vi.fn(async () => bytes),
    links: () => [],
    asked: (cid: CID) => void asked.push(cid.toString()),
  });

  it('answers with 64 MiB at most, whatever is asked for, and waits 30 seconds for the next request', async () => {
    const far = new Far(encodeRequest(many(70), Number.MAX_SAFE_INTEGER), undefined);
    const asked: string[] = [];
    await serveTrees(far, served(large, asked));
    expect(asked).toEqual(many(70).map(String));
    const blocks = far.sent.filter(({ message }) => message.length === large.length);
    expect(blocks).toHaveLength(64);
    expect(far.sent.at(-2)?.message).toHaveLength(0);
    expect(ends(far.sent.at(-1)?.message)).toBe('{"kind":"end"}');
    expect(far.waits).toEqual([30_000, 30_000]);
  });

  it('sends one message at a time, and reads no more than a few blocks ahead of a peer that takes none', async () => {
    const far = new Far(encodeRequest(many(20), Number.MAX_SAFE_INTEGER), undefined);
    far.isHeld = true;
    const source = served(large);
    const ended = serveTrees(far, source);
    let most = 0;
    for (let left = 0; ; left++) {
      await expect.poll(() => far.sent.length).toBeGreaterThan(left);
      await turns();
      expect(far.sent).toHaveLength(left + 1);
      most = Math.max(most, source.read.mock.calls.length - left / 2);
      const { message, leave } = far.sent[left] ?? { message: new Uint8Array(), leave() {} };
      leave();
      if (ends(message) === '{"kind":"end"}') break;
    }
    await ended;
    expect(most).toBeLessThanOrEqual(5);
  });

  it('says which block it lacks, and answers the next request', async () => {
    const far = new Far(encodeRequest(many(1), 5), encodeRequest(many(1), 5), undefined);
    const read = async (): Promise<Uint8Array> => {
      throw reportedError('STORE_BLOCK_NOT_FOUND', 'x'.repeat(2_000));
    };
    await serveTrees(far, { read, links: () => [], asked: () => {} });
    const last = far.sent.filter((_, index) => far.sent[index - 1]?.message.length === 0);
    expect(last.map(({ message }) => JSON.parse(ends(message)))).toEqual([
      { kind: 'failed', code: 'STORE_BLOCK_NOT_FOUND', message: 'x'.repeat(1000) },
      { kind: 'failed', code: 'STORE_BLOCK_NOT_FOUND', message: 'x'.repeat(1000) },
    ]);
  });

  it.each([
    ['an error of another kind', new RangeError('a fault here')],
    ['a code of another folder', reportedError('TRANSFER_INVALID', 'not of the store')],
  ])('ends with %s', async (_, error) => {
    const far = new Far(encodeRequest(many(1), 5), undefined);
    const read = () => Promise.reject(error);
    await expect(serveTrees(far, { read, links: () => [], asked: () => {} })).rejects.toBe(error);
  });
});

/** A sink without blocks. */
function sink(over: Partial<BlockSink> = {}): BlockSink {
  return {
    ...{ touch: () => undefined, links: () => [], put: async () => {} },
    read: () => Promise.reject(new Error('nothing is here')),
    ...over,
  };
}
const block = Buffer.from('the bytes of a block');
const cid = cidOf(block);
const car = Buffer.concat([carHeader([cid.bytes]), sectionHead(cid.bytes, block.length), block]);
const ending = [new Uint8Array(), Buffer.from('{"kind":"end"}')];
const provider = (peer: string, ...pipes: Far[]) => ({
  peer,
  open: vi.fn(
    async () => pipes.shift() ?? Promise.reject(reportedError('MESH_RESET', 'the stream was reset')),
  ),
});

describe('a fetch of one block', () => {
  const { signal } = new AbortController();

  it('asks the next provider, and gives each stream up', async () => {
    const [none, has] = [new Far(undefined), new Far(car)];
    const put = vi.fn(async () => {});
    await fetchBlock(cid, sink({ put }), [provider('a', none), provider('b', has)], { signal });
    expect(put.mock.calls).toEqual([[cid, Uint8Array.from(block)]]);
    expect(none.aborted?.message).toBeDefined();
    expect(has.aborted?.message).toBeDefined();
  });

  it('resolves when the block can be read here', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let done = false;
    const fetched = fetchBlock(cid, sink({ put: () => promise }), [provider('a', new Far(car))], { signal });
    const ended = fetched.then(() => {
      done = true;
    });
    await turns();
    expect(done).toBe(false);
    resolve();
    await ended;
  });

  it('passes on what is wrong here, and blames no provider for it', async () => {
    const full = reportedError('STORE_DISK_FULL', 'no room');
    const put = () => Promise.reject(full);
    const [first, second] = [provider('a', new Far(car)), provider('b', new Far(car))];
    await expect(fetchBlock(cid, sink({ put }), [first, second], { signal })).rejects.toBe(full);
    expect(second.open).not.toHaveBeenCalled();
  });
});

describe('a fetch of a tree', () => {
  it('tries a provider five times that breaks each time, and forgives it those after a block', async () => {
    const lost = provider('a');
    await expect(fetchTree(cid, sink(), [lost])).rejects.toMatchObject({
      code: 'TRANSFER_FAILED',
      dropped: [{ peer: 'a', code: 'MESH_RESET' }],
    });
    expect(lost.open).toHaveBeenCalledTimes(5);
  });

  it('resets a stream that broke, and asks again on another one', async () => {
    const [broken, whole] = [new Far(undefined), new Far(car, ...ending)];
    const result = await fetchTree(cid, sink(), [provider('a', broken, whole)]);
    expect(result).toMatchObject({ blocks: 1, bytes: block.length, servedBy: { a: 1 }, dropped: [] });
    expect(broken.aborted).toMatchObject({ code: 'TRANSFER_TRUNCATED' });
    expect(whole.closed).toBe(true);
  });

  it('ends only when the block is written', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let done = false;
    const far = new Far(car, ...ending);
    const ended = fetchTree(cid, sink({ put: () => promise }), [provider('a', far)]).then(() => {
      done = true;
    });
    await turns();
    expect(done).toBe(false);
    resolve();
    await ended;
  });

  it('drops who sends more than was asked for, and keeps what came before', async () => {
    const more = Buffer.concat([car, sectionHead(cid.bytes, block.length), block]);
    const result = await fetchTree(cid, sink(), [provider('a', new Far(more, ...ending))]);
    expect(result).toMatchObject({ blocks: 1, dropped: [{ peer: 'a', code: 'TRANSFER_EXCESS_DATA' }] });
  });

  it('drops who goes on after the bytes that were asked for', async () => {
    const [large, small] = [new Uint8Array(1024 * 1024), Buffer.from('another block')];
    const [first, second] = [cidOf(large), cidOf(small)];
    const top = cidOf(block, pbCode);
    const links = (of: CID) => (of.code === pbCode ? [first, second] : []);
    const part = (of: CID, bytes: Uint8Array) => Buffer.concat([sectionHead(of.bytes, bytes.length), bytes]);
    const whole = [
      ...[carHeader([top.bytes]), part(top, block), part(first, large), part(second, small)],
      ...ending,
    ];
    const rest = [Buffer.concat([carHeader([second.bytes]), part(second, small)]), ...ending];
    // Of several providers each is asked for 1 MiB at first.
    const providers = [provider('a', new Far(...whole)), provider('b', new Far(...rest))];
    const result = await fetchTree(top, sink({ links }), providers);
    expect(result).toMatchObject({
      ...{ blocks: 3, servedBy: { a: 2, b: 1 } },
      dropped: [{ peer: 'a', code: 'TRANSFER_EXCESS_DATA', message: 'the answer exceeds the request' }],
    });
  });

  it('asks for what a block that is here links to, and for nothing else', async () => {
    const top = cidOf(Buffer.from('a folder'), pbCode);
    const put = vi.fn(async () => {});
    const here = sink({
      ...{ put, touch: (of) => (of.equals(top) ? 8 : undefined), read: async () => Buffer.from('a folder') },
      links: (of) => (of.equals(top) ? [cid] : []),
    });
    const far = new Far(car, ...ending);
    const result = await fetchTree(top, here, [provider('a', far)]);
    expect(result).toMatchObject({ blocks: 2, bytes: block.length + 8, servedBy: { a: 1 } });
    expect(put).toHaveBeenCalledTimes(1);
    expect(far.sent.map(({ message }) => decodeRequest(message).roots.map(String))).toEqual([[`${cid}`]]);
  });

  it('drops who answers without a block', async () => {
    const failed = fetchTree(cid, sink(), [provider('a', new Far(carHeader([cid.bytes]), ...ending))]);
    await expect(failed).rejects.toMatchObject({ dropped: [{ peer: 'a', code: 'TRANSFER_EMPTY' }] });
  });

  it('ends with the fault of the store, and with the signal', async () => {
    const full = reportedError('STORE_DISK_FULL', 'no room');
    const put = () => Promise.reject(full);
    const far = new Far(car, ...ending);
    await expect(fetchTree(cid, sink({ put }), [provider('a', far)])).rejects.toBe(full);
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(fetchTree(cid, sink(), [provider('a', far)], { signal })).rejects.toBe(reason);
  });
});
