import { encode, prepare } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import type { CID } from 'multiformats/cid';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { pbCode, rawCode } from '../../src/protocol/base/car.ts';
import { reportedError } from '../../src/protocol/base/errors.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import type { Exchange } from '../../src/store/bitswap.ts';
import { Blocks } from '../../src/store/blocks.ts';
import { cidOf } from '../../src/store/file-import.ts';
import { pullTree } from '../../src/store/pull.ts';
import { withLimits } from '../support/with-limits.ts';
import { codeOf, folder } from './support.ts';

const [first, second] = ['one', 'another one'].map((text) => Buffer.from(text)) as [Buffer, Buffer];
const leaves = [first, second].map((bytes) => cidOf(rawCode, bytes)) as [CID, CID];
const folderOf = (cids: readonly CID[]) => {
  const Links = cids.map((Hash, n) => ({ Name: `f${n}`, Hash, Tsize: 1 }));
  const bytes = encode(prepare({ Data: new UnixFS({ type: 'directory' }).marshal(), Links }));
  return { cid: cidOf(pbCode, bytes), bytes };
};
const tree = folderOf(leaves);
const all = new Map(
  [tree, { cid: leaves[0], bytes: first }, { cid: leaves[1], bytes: second }].map((one) => [
    `${one.cid}`,
    one.bytes,
  ]),
);
const treeBytes = tree.bytes.length + first.length + second.length;

async function area(): Promise<Blocks> {
  const blocks = await Blocks.open(await folder());
  onTestFinished(() => blocks.close());
  return blocks;
}

type Fetch = (peer: string, cid: CID, signal: AbortSignal) => Promise<void>;

/** Peers that are all connected, until the test says otherwise. */
function peers(fetch: Fetch) {
  const gone = new Set<string>();
  const closed: string[] = [];
  const opened: string[] = [];
  const exchange: Exchange = {
    isConnected: (peer) => !gone.has(peer),
    session: (_, peer) => {
      opened.push(peer);
      return { fetch: (cid, signal) => fetch(peer, cid, signal), close: () => void closed.push(peer) };
    },
    stop: async () => {},
  };
  return { exchange, gone, opened, closed };
}

const giving =
  (blocks: Blocks): Fetch =>
  async (_, cid) => {
    await blocks.put(cid, all.get(`${cid}`) ?? new Uint8Array());
  };
const never: Fetch = (_, __, signal) =>
  new Promise((___, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

function clock() {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
}

describe('a pull', () => {
  it('takes as many bytes and blocks as it may, and no more', async () => {
    const pull = async (maxBytes: number) => {
      const blocks = await area();
      return pullTree(blocks, peers(giving(blocks)).exchange, tree.cid, { from: ['a'], maxBytes });
    };
    withLimits(limits, { treeBlocksMax: 3 });
    expect(await pull(treeBytes)).toEqual({
      bytes: treeBytes,
      blocks: 3,
      servedBy: { a: 3 },
    });
    expect(await codeOf(pull(treeBytes - 1))).toBe('STORE_TREE_TOO_LARGE');
    withLimits(limits, { treeBlocksMax: 2 });
    expect(await codeOf(pull(treeBytes))).toBe('STORE_TREE_TOO_MANY_BLOCKS');
  });

  it('asks each peer once for what a tree links to twice, and closes its sessions', async () => {
    const blocks = await area();
    const twice = folderOf([leaves[0], leaves[0]]);
    await blocks.put(twice.cid, twice.bytes);
    const asked = vi.fn(giving(blocks));
    const { exchange, closed, opened } = peers(asked);
    const pulled = await pullTree(blocks, exchange, twice.cid, { from: ['a', 'a'] });
    expect(pulled).toMatchObject({ blocks: 2, servedBy: { a: 1 } });
    expect(asked).toHaveBeenCalledTimes(1);
    expect([opened, closed]).toEqual([['a'], ['a']]);
  });

  it('has 24 wants at once', async () => {
    const blocks = await area();
    const many = Array.from({ length: 30 }, (_, n) => cidOf(rawCode, Buffer.from(`block ${n}`)));
    const wide = folderOf(many);
    await blocks.put(wide.cid, wide.bytes);
    const stop = new AbortController();
    const fetch = vi.fn(never);
    const pulling = pullTree(blocks, peers(fetch).exchange, wide.cid, { from: ['a'], signal: stop.signal });
    await vi.waitFor(() => expect(fetch).toHaveBeenCalledTimes(24));
    await new Promise(setImmediate);
    expect(fetch).toHaveBeenCalledTimes(24);
    stop.abort(new Error('enough'));
    await expect(pulling).rejects.toThrow('enough');
  });

  it('that is given up before it begins asks nobody', async () => {
    const fetch = vi.fn(never);
    const signal = AbortSignal.abort(new Error('enough'));
    const pulling = pullTree(await area(), peers(fetch).exchange, tree.cid, { from: ['a'], signal });
    await expect(pulling).rejects.toThrow('enough');
    expect(fetch).not.toHaveBeenCalled();
  });

  it('ends with a fault of the store, and asks no other peer', async () => {
    const full = reportedError('STORE_DISK_FULL', 'no room');
    const fetch = vi.fn<Fetch>(() => Promise.reject(full));
    const pulling = pullTree(await area(), peers(fetch).exchange, tree.cid, { from: ['a', 'b'] });
    await expect(pulling).rejects.toBe(full);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  it('goes on with another peer where one fails, and ends where all did', async () => {
    const blocks = await area();
    const give = giving(blocks);
    const fetch: Fetch = (peer, ...more) =>
      peer === 'a' ? Promise.reject(new Error('reset')) : give(peer, ...more);
    const pulled = await pullTree(blocks, peers(fetch).exchange, tree.cid, { from: ['a', 'b'] });
    expect(pulled.servedBy).toEqual({ a: 0, b: 3 });
    const none = pullTree(await area(), peers(fetch).exchange, tree.cid, { from: ['a'] });
    expect(await codeOf(none)).toBe('STORE_PULL_BLOCK_MISSING');
  });

  it('asks a peer that does not answer again in a new session, twice before it is given up', async () => {
    const blocks = await area();
    const attempts: AbortController[] = [];
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockImplementation(() => {
      const attempt = new AbortController();
      attempts.push(attempt);
      return attempt.signal;
    });
    onTestFinished(() => timeout.mockRestore());
    const give = giving(blocks);
    let asked = 0;
    const fetch: Fetch = (...more) => (asked++ === 0 ? never(...more) : give(...more));
    const { exchange, opened, closed } = peers(fetch);
    const pulling = pullTree(blocks, exchange, tree.cid, { from: ['a'], idleSeconds: 1 });
    await vi.waitFor(() => expect(attempts).toHaveLength(1));
    attempts[0]?.abort(new Error('too late'));
    expect(await pulling).toMatchObject({ blocks: 3, servedBy: { a: 3 } });
    expect([opened, closed]).toEqual([
      ['a', 'a'],
      ['a', 'a'],
    ]);
    expect(timeout.mock.calls[0]).toEqual([500]);
    await pullTree(await area(), peers(give).exchange, tree.cid, { from: ['a'], idleSeconds: 60 }).catch(
      () => {},
    );
    expect(timeout.mock.calls.at(-1)).toEqual([10_000]);
  });
});

describe('a pull that waits', () => {
  it('ends when no peer is connected any more, and not while one is', async () => {
    clock();
    const { exchange, gone } = peers(never);
    const pulling = codeOf(pullTree(await area(), exchange, tree.cid, { from: ['a', 'b'], idleSeconds: 30 }));
    gone.add('a');
    await vi.advanceTimersByTimeAsync(500);
    gone.add('b');
    let isOver = false;
    void pulling.then(() => {
      isOver = true;
    });
    await vi.advanceTimersByTimeAsync(499);
    expect(isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await pulling).toBe('STORE_PULL_NO_PROVIDER');
  });

  it('asks no peer that was gone for a moment', async () => {
    clock();
    const blocks = await area();
    const give = giving(blocks);
    const asked: string[] = [];
    const waiting = Promise.withResolvers<void>();
    const { exchange, gone } = peers(async (peer, ...more) => {
      asked.push(peer);
      await waiting.promise;
      return give(peer, ...more);
    });
    const pulling = pullTree(blocks, exchange, tree.cid, { from: ['a', 'b'], idleSeconds: 30 });
    gone.add('a');
    await vi.advanceTimersByTimeAsync(500);
    gone.clear();
    const before = asked.length;
    waiting.resolve();
    await pulling;
    expect(new Set(asked.slice(before))).toEqual(new Set(['b']));
  });

  it('ends when no block came for as long as it may, and not before', async () => {
    clock();
    const { exchange } = peers(never);
    const pulling = codeOf(pullTree(await area(), exchange, tree.cid, { from: ['a'], idleSeconds: 2 }));
    let isOver = false;
    void pulling.then(() => {
      isOver = true;
    });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(500);
    expect(await pulling).toBe('STORE_PULL_STALLED');
  });

  it('needs no peer for what is here, however long that takes', async () => {
    clock();
    const blocks = await area();
    for (const one of [tree, { cid: leaves[0], bytes: first }, { cid: leaves[1], bytes: second }])
      await blocks.put(one.cid, one.bytes);
    const onProgress = () => void vi.advanceTimersByTime(1_000);
    const pulled = await pullTree(blocks, undefined, tree.cid, { from: [], onProgress });
    expect(pulled).toEqual({ bytes: treeBytes, blocks: 3, servedBy: {} });
    expect(vi.getTimerCount()).toBe(0);
  });
});
