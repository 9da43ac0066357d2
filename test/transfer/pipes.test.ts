import type { CID } from 'multiformats/cid';
import { describe, expect, it, vi } from 'vitest';
import { carHeader, pbCode, sectionHead } from '../../src/protocol/base/car.ts';
import { reportedError } from '../../src/protocol/base/errors.ts';
import { decodeRequest } from '../../src/transfer/frames.ts';
import { fetchBlock, fetchTree, type Provider } from '../../src/transfer/index.ts';
import { transferLimits } from '../../src/transfer/limits.ts';
import { withLimits } from '../support/with-limits.ts';
import { block, car, cid, cidOf, ending, Far, provider, sink, turns } from './far.ts';

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

  it('asks nobody for what is here, and says of each provider why it gave none', async () => {
    const asked = provider('a');
    await fetchBlock(cid, sink({ touch: () => 5 }), [asked], { signal });
    expect(asked.open).not.toHaveBeenCalled();
    const plain = { peer: 'c', open: () => Promise.reject(new Error('no code')) };
    const [closed, empty] = [provider('a', new Far(undefined)), provider('b', new Far(new Uint8Array()))];
    await expect(fetchBlock(cid, sink(), [closed, empty, plain], { signal })).rejects.toMatchObject({
      code: 'TRANSFER_FAILED',
      dropped: [
        { peer: 'a', code: 'TRANSFER_BLOCK_MISSING' },
        { peer: 'b', code: 'TRANSFER_BLOCK_MISSING' },
        { peer: 'c', code: '', message: 'no code' },
      ],
    });
  });

  it('is given up with its signal, and no other provider is asked', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const first: Provider = {
      peer: 'a',
      open: async () => {
        stop.abort(reason);
        throw reportedError('MESH_RESET', 'the stream was reset');
      },
    };
    const second = provider('b', new Far(car));
    await expect(fetchBlock(cid, sink(), [first, second], stop)).rejects.toBe(reason);
    expect(second.open).not.toHaveBeenCalled();
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
    withLimits(transferLimits, { breakAgainMs: 1 });
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
    // With the first block it has all that is asked for, to the byte.
    const [large, small] = [new Uint8Array(1024 * 1024 - block.length), Buffer.from('another block')];
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
      blocks: 3,
      servedBy: { a: 2, b: 1 },
      dropped: [{ peer: 'a', code: 'TRANSFER_EXCESS_DATA', message: 'the answer exceeds the request' }],
    });
  });

  it('asks for what a block that is here links to, and for nothing else', async () => {
    const top = cidOf(Buffer.from('a folder'), pbCode);
    const put = vi.fn(async () => {});
    const here = sink({
      put,
      touch: (of) => (of.equals(top) ? 8 : undefined),
      read: async () => Buffer.from('a folder'),
      links: (of) => (of.equals(top) ? [cid] : []),
    });
    const far = new Far(car, ...ending);
    const result = await fetchTree(top, here, [provider('a', far)]);
    expect(result).toMatchObject({ blocks: 2, bytes: block.length + 8, servedBy: { a: 1 } });
    expect(put).toHaveBeenCalledTimes(1);
    expect(far.sent.map(({ message }) => decodeRequest(message).roots.map(String))).toEqual([[`${cid}`]]);
  });

  it('asks one provider for all, and several for a part each', async () => {
    const maxOf = (far: Far) => far.sent.map(({ message }) => decodeRequest(message).max);
    const alone = new Far(car, ...ending);
    await fetchTree(cid, sink(), [provider('a', alone)]);
    expect(maxOf(alone)).toEqual([64 * 1024 * 1024]);
    const [first, second] = [new Far(car, ...ending), new Far()];
    await fetchTree(cid, sink(), [provider('a', first), provider('b', second)]);
    expect([maxOf(first), maxOf(second)]).toEqual([[1024 * 1024], []]);
  });

  it('asks again for what an answer left out', async () => {
    const [folder, other] = [Buffer.from('a folder'), Buffer.from('another block')];
    const [top, last] = [cidOf(folder, pbCode), cidOf(other)];
    const links = (of: CID) => (of.equals(top) ? [cid, last] : []);
    const answer = (roots: CID[], bytes: Uint8Array) => [
      Buffer.concat([
        carHeader(roots.map((root) => root.bytes)),
        sectionHead((roots[0] ?? top).bytes, bytes.length),
        bytes,
      ]),
      ...ending,
    ];
    const answers = [answer([top], folder), answer([cid, last], block), answer([last], other)];
    const far = new Far(...answers.flat());
    const result = await fetchTree(top, sink({ links }), [provider('a', far)]);
    expect(result).toMatchObject({ blocks: 3, servedBy: { a: 3 }, dropped: [] });
    const asked = far.sent.map(({ message }) => decodeRequest(message).roots.map(String));
    expect(asked).toEqual([[top], [cid, last], [last]].map((roots) => roots.map(String)));
  });

  it('drops who lacks the tree with what it says, shortened, and asks it again before', async () => {
    const failed = (message: string) => [
      new Uint8Array(),
      Buffer.from(JSON.stringify({ kind: 'failed', code: 'STORE_BLOCK_NOT_FOUND', message })),
    ];
    const [first, again] = [new Far(...failed('not here\n')), new Far(car, ...ending)];
    expect(await fetchTree(cid, sink(), [provider('a', first, again)])).toMatchObject({
      blocks: 1,
      dropped: [],
    });
    expect(first.aborted).toMatchObject({
      code: 'TRANSFER_BLOCK_MISSING',
      message: 'the peer cannot serve it (STORE_BLOCK_NOT_FOUND: not here )',
    });
  });

  it('drops who ends within a block, or not as answers end', async () => {
    const [cut, odd] = [new Far(car.subarray(0, -1), ...ending), new Far(car, new Uint8Array(), block)];
    const failed = fetchTree(cid, sink({ put: () => turns() }), [provider('a', cut)]);
    await expect(failed).rejects.toMatchObject({ dropped: [{ code: 'CAR_MALFORMED' }] });
    const result = await fetchTree(cid, sink(), [provider('b', odd)]);
    expect(result.dropped).toMatchObject([{ peer: 'b', code: 'TRANSFER_INVALID' }]);
  });

  it('drops who answers without a block', async () => {
    const failed = fetchTree(cid, sink(), [provider('a', new Far(carHeader([cid.bytes]), ...ending))]);
    await expect(failed).rejects.toMatchObject({ dropped: [{ peer: 'a', code: 'TRANSFER_EMPTY' }] });
  });

  it('asks a provider of another protocol once', async () => {
    const open = vi.fn(() =>
      Promise.reject(reportedError('MESH_PROTOCOL_UNKNOWN', 'it has no such protocol')),
    );
    await expect(fetchTree(cid, sink(), [{ peer: 'a', open }])).rejects.toMatchObject({
      dropped: [{ code: 'MESH_PROTOCOL_UNKNOWN' }],
    });
    expect(open).toHaveBeenCalledTimes(1);
  });

  it('ends with a fault of this process', async () => {
    const fault = new RangeError('a fault here');
    const put = () => Promise.reject(fault);
    await expect(fetchTree(cid, sink({ put }), [provider('a', new Far(car, ...ending))])).rejects.toBe(fault);
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
