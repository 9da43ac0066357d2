import { withBitswap } from '@helia/bitswap';
import type { Libp2p } from '@libp2p/interface';
import { MemoryBlockstore } from 'blockstore-core';
import { createHeliaLight } from 'helia';
import { CID } from 'multiformats/cid';
import { describe, expect, it, onTestFinished } from 'vitest';
import { limits } from '../../src/protocol/base/limits.ts';
import { withLimits } from '../support/with-limits.ts';
import { codeOf, collect, node, noiseBytes, pair, store, type TarEntry, tar } from './support.ts';

const small = (count: number, size = 500): TarEntry[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `d${index % 20}/f${index}`,
    body: noiseBytes(size, index + 1),
  }));

describe('pull', () => {
  it('brings a whole tree from a connected peer, and says who served it', async () => {
    const [a, b] = await pair();
    const [from, to] = [await store(a), await store(b)];
    const tree = await from.importTar(
      await tar([...small(100), { name: 'big', body: noiseBytes(5_000_000), mode: 0o755 }]),
      { into: from.public },
    );
    const seen: number[] = [];
    const options = { from: [a.peerId.toString()], onProgress: (bytes: number) => seen.push(bytes) };
    const pulled = await to.pull(tree.root, options);
    expect(pulled.servedBy).toEqual({ [a.peerId.toString()]: pulled.blocks });
    expect(pulled.bytes).toBeGreaterThan(tree.bytes);
    expect(seen.at(-1)).toBe(pulled.bytes);
    expect(await to.has(tree.root)).toBe(true);
    const names = (entries: { path: string; sha256?: string }[]) =>
      entries.map(({ path, sha256 }) => [path, sha256]);
    expect(names(await collect(to.list(tree.root, { hash: true })))).toEqual(
      names(await collect(from.list(tree.root, { hash: true }))),
    );
    // Again: nothing to fetch, so no peer is needed.
    expect((await to.pull(tree.root, { from: [] })).servedBy).toEqual({});
  });

  it('uses a second peer when the first does not have the tree', async () => {
    const [a, b] = await pair();
    const c = await node();
    await b.dial(c.getMultiaddrs());
    const [empty, full, to] = [await store(a), await store(c), await store(b)];
    const tree = await full.importTar(await tar(small(50)), { into: full.public });
    const pulled = await to.pull(tree.root, { from: [a.peerId.toString(), c.peerId.toString()] });
    expect(pulled.servedBy[c.peerId.toString()]).toBe(pulled.blocks);
    expect(await empty.has(tree.root)).toBe(false);
  });

  it('says so when no peer is connected, none has the tree, or a part is missing', async () => {
    const [a, b] = await pair();
    const [from, to] = [await store(a), await store(b)];
    const tree = await from.importTar(await tar(small(50)), { into: from.public });
    const stranger = (await node()).peerId.toString();
    expect(await codeOf(to.pull(tree.root, { from: [stranger] }))).toBe('STORE_PULL_NO_PROVIDER');
    expect(await codeOf(to.pull(tree.root, { from: [] }))).toBe('STORE_PULL_NO_PROVIDER');
    expect(await codeOf(to.pull(tree.root, { from: ['not a peer'] }))).toBe('STORE_PULL_NO_PROVIDER');
    const offline = await store();
    expect(await codeOf(offline.pull(tree.root, { from: [a.peerId.toString()] }))).toBe(
      'STORE_PULL_NO_PROVIDER',
    );
    const other = await (await store()).importTar(await tar([{ name: 'x', body: 'other' }]), {
      into: to.public,
    });
    expect(await codeOf(to.pull(other.root, { from: [a.peerId.toString()] }))).toBe(
      'STORE_PULL_BLOCK_MISSING',
    );
  });

  it('ends when its peer is gone', async () => {
    const [a, b] = await pair();
    const [from, to] = [await store(a), await store(b)];
    const tree = await from.importTar(await tar(small(800)), { into: from.public });
    const pulling = codeOf(
      to.pull(tree.root, {
        from: [a.peerId.toString()],
        onProgress: (bytes) => {
          if (bytes > 100_000) void a.stop();
        },
      }),
    );
    expect(await pulling).toMatch(/STORE_PULL_(NO_PROVIDER|BLOCK_MISSING)/);
  });

  it('ends when told to', async () => {
    const [a, b] = await pair();
    const to = await store(b);
    const reason = new Error('enough');
    const controller = new AbortController();
    await silent(a, () => controller.abort(reason));
    const pulling = to.pull(await someRoot(), { from: [a.peerId.toString()], signal: controller.signal });
    await expect(pulling).rejects.toBe(reason);
  });

  it('stops at its limits of bytes and blocks', async () => {
    const [a, b] = await pair();
    const [from, to] = [await store(a), await store(b)];
    const tree = await from.importTar(await tar(small(50, 2000)), { into: from.public });
    const peers = { from: [a.peerId.toString()] };
    expect(await codeOf(to.pull(tree.root, { ...peers, maxBytes: 50_000 }))).toBe('STORE_TREE_TOO_LARGE');
    withLimits(limits, { treeBlocksMax: 40 });
    expect(await codeOf(to.pull(tree.root, peers))).toBe('STORE_TREE_TOO_MANY_BLOCKS');
    withLimits(limits, { treeBlocksMax: 71 });
    expect((await to.pull(tree.root, peers)).blocks).toBe(71);
  });

  it('does not wait longer than its idle limit for a peer that says nothing, and then uses another', async () => {
    const [a, b] = await pair();
    const to = await store(b);
    await silent(a);
    const root = await someRoot();
    const alone = { from: [a.peerId.toString()], idleSeconds: 0.3 };
    expect(await codeOf(to.pull(root, alone))).toBe('STORE_PULL_STALLED');

    const c = await node();
    await b.dial(c.getMultiaddrs());
    const full = await store(c);
    const tree = await full.importTar(await tar([{ name: 'x', body: 'some' }]), { into: full.public });
    const pulled = await to.pull(tree.root, {
      from: [a.peerId.toString(), c.peerId.toString()],
      idleSeconds: 3,
    });
    expect(pulled.servedBy[c.peerId.toString()]).toBe(2);
  });

  it('never stores the wrong bytes a peer sends for a CID', async () => {
    const [a, b] = await pair();
    const to = await store(b);
    const root = CID.parse(await someRoot());
    const blockstore = new MemoryBlockstore();
    blockstore.put(root, Buffer.from('not what was asked for'));
    const liar = withBitswap(Object.assign(createHeliaLight({ blockstore }), { libp2p: a }));
    await liar.start();
    onTestFinished(async () => {
      await liar.stop();
    });
    const options = { from: [a.peerId.toString()], idleSeconds: 0.5 };
    expect(await codeOf(to.pull(root.toString(), options))).toBe('STORE_PULL_STALLED');
    await to.pin([root.toString()], 'x').catch(() => {});
    expect((await to.collect({ graceSeconds: -10 })).blocks).toBe(0);
  });
});

/** Takes wants and never answers. */
async function silent(libp2p: Libp2p, onWant: () => void = () => {}): Promise<void> {
  await libp2p.handle('/ipfs/bitswap/1.2.0', onWant);
}

async function someRoot(): Promise<string> {
  const s = await store();
  return (await s.importTar(await tar([{ name: 'x', body: 'some' }]), { into: s.public })).root;
}
