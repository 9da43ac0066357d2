import { CID } from 'multiformats/cid';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/protocol/base/limits.ts';
import { type Provider, serveTrees } from '../../src/transfer/index.ts';
import { transferLimits } from '../../src/transfer/limits.ts';
import { codeOf, collect, noiseBytes, store } from '../store/support.ts';
import { withLimits } from '../support/with-limits.ts';
import { answering, importInto, node, Receiver, serving, small } from './support.ts';

describe('a transfer', () => {
  it('brings a whole tree in one stream, and nothing a second time', async () => {
    const from = await serving();
    const entries = [...small(300), { name: 'big', body: noiseBytes(5_000_000), mode: 0o755 }];
    const root = await importInto(from.store, entries);
    const to = await Receiver.open();
    const seen: number[] = [];
    const result = await to.fetch(root, [from.mesh], { onProgress: (bytes) => seen.push(bytes) });
    expect(result.servedBy).toEqual({ [from.mesh.id]: result.blocks });
    expect(result.dropped).toEqual([]);
    expect(to.asked.length).toBe(1);
    expect(seen.at(-1)).toBe(result.bytes);
    expect(await to.store.has(root)).toBe(true);
    const names = (list: { path: string; sha256?: string }[]) =>
      list.map(({ path, sha256 }) => [path, sha256]);
    expect(names(await collect(to.store.list(root, { hash: true })))).toEqual(
      names(await collect(from.store.list(root, { hash: true }))),
    );
    const again = await to.fetch(root, []);
    expect([again.bytes, again.blocks, again.servedBy]).toEqual([result.bytes, result.blocks, {}]);
  });

  it('brings a folder whose own block is large: its links outlive the memory it came in', async () => {
    const from = await serving();
    // Just under the size at which folders are split. What lies below takes longer to come than the folder to be written.
    const entries = Array.from({ length: 1500 }, (_, index) => ({
      name: `folder/${String(index).padStart(80, 'n')}`,
      body: noiseBytes(4_000, index),
    }));
    const root = await importInto(from.store, entries);
    const to = await Receiver.open();
    const result = await to.fetch(root, [from.mesh]);
    expect(result.dropped).toEqual([]);
    expect(await collect(to.store.list(root))).toHaveLength(1501);
  });

  it('brings a tree of one block, an empty one, and one whose files are all the same', async () => {
    const from = await serving();
    const to = await Receiver.open();
    const log = await from.store.importBytes(Buffer.from('log'), { into: from.store.public });
    const empty = await importInto(from.store, [{ name: 'empty', body: '' }]);
    const same = await importInto(
      from.store,
      small(200).map(({ name }) => ({ name, body: 'same' })),
    );
    for (const [root, blocks] of [
      [log, 1],
      [empty, 2],
      [same, 22],
    ] as const) {
      expect((await to.fetch(root, [from.mesh])).blocks).toBe(blocks);
      expect(await to.store.has(root)).toBe(true);
    }
  });

  it('goes on where it broke: with the same peer within one fetch, with another later, also after a restart', async () => {
    const whole = await serving();
    const root = await importInto(whole.store, small(400, 20_000));
    let sent = 0;
    let breakAfter = 2_000_000;
    const breaking = await answering(async (channel) => {
      await serveTrees(
        {
          send: async (message) => {
            if (sent > breakAfter) {
              breakAfter = Number.POSITIVE_INFINITY;
              throw new Error('the cable is pulled');
            }
            sent += message.length;
            await channel.send(message);
          },
          receive: (options) => channel.receive(options),
          close: () => channel.close(),
          abort: (reason) => channel.abort(reason),
        },
        whole.store.blocks,
      );
    });
    const to = await Receiver.open();
    const result = await to.fetch(root, [breaking]);
    expect(to.asked.length).toBe(2);
    expect(sent).toBeLessThan(result.bytes * 1.3);
    expect(await to.store.has(root)).toBe(true);

    const other = await Receiver.open();
    const stop = new AbortController();
    const reason = new Error('enough');
    const onProgress = (bytes: number): void => {
      if (bytes > 3_000_000) stop.abort(reason);
    };
    await expect(other.fetch(root, [whole.mesh], { signal: stop.signal, onProgress })).rejects.toBe(reason);
    const rest = await other.fetch(root, [whole.mesh]);
    const served = rest.servedBy[whole.mesh.id] ?? 0;
    expect(served).toBeGreaterThan(50);
    expect(served).toBeLessThan(rest.blocks - 100);
    expect(await other.store.has(root)).toBe(true);
  });

  it('uses several providers at once', async () => {
    const [a, b] = [await serving(), await serving()];
    const entries = [...small(200, 10_000), { name: 'big', body: noiseBytes(12_000_000) }];
    const root = await importInto(a.store, entries);
    await importInto(b.store, entries);
    const to = await Receiver.open();
    const result = await to.fetch(root, [a.mesh, b.mesh]);
    expect(await to.store.has(root)).toBe(true);
    const served = [result.servedBy[a.mesh.id] ?? 0, result.servedBy[b.mesh.id] ?? 0];
    expect(Math.min(...served)).toBeGreaterThan(1);
    expect(served.reduce((sum, blocks) => sum + blocks)).toBe(result.blocks);
  });

  it('drops a provider that is much slower than another, and one that says nothing', async () => {
    const fast = await serving();
    const root = await importInto(fast.store, [{ name: 'big', body: noiseBytes(10_000_000) }]);
    // It sends its first message, and the rest when it is not waited for any more.
    const dropped = Promise.withResolvers<void>();
    const slow = await answering(async (channel) => {
      let sent = 0;
      await serveTrees(
        {
          send: async (message) => {
            if (sent++ > 0) await dropped.promise;
            await channel.send(message);
          },
          receive: (options) => channel.receive(options),
          close: () => channel.close(),
          abort: (reason) => channel.abort(reason),
        },
        fast.store.blocks,
      );
    });
    const silent = await answering(() => new Promise(() => {}));
    const [to, other, alone] = [await Receiver.open(), await Receiver.open(), await Receiver.open()];
    const [second, failure] = await Promise.all([
      other.fetch(root, [silent, fast.mesh], { idleMs: 2_000 }),
      codeOf(alone.fetch(root, [silent], { idleMs: 500 })),
    ]);
    withLimits(transferLimits, { slowSeconds: 0.8 });
    const result = await to.fetch(root, [slow, fast.mesh]).finally(() => dropped.resolve());
    expect(result.dropped.map(({ peer, code }) => [peer, code])).toEqual([[slow.id, 'TRANSFER_SLOW']]);
    expect(await to.store.has(root)).toBe(true);
    expect(second.dropped.map(({ code }) => code)).toEqual(['TRANSFER_IDLE']);
    expect(failure).toBe('TRANSFER_FAILED');
  });

  it('asks the next when one does not have it, is not there or speaks another protocol', async () => {
    const [empty, full] = [await serving(), await serving()];
    const root = await importInto(full.store, small(50));
    withLimits(transferLimits, { breakAgainMs: 1 });
    const [mute, gone] = [await node(), await node()];
    await gone.close();
    const to = await Receiver.open();
    const result = await to.fetch(root, [gone, mute, empty.mesh, full.mesh]);
    const codes = Object.fromEntries(result.dropped.map(({ peer, code }) => [peer, code]));
    expect(codes[mute.id]).toBe('MESH_PROTOCOL_UNKNOWN');
    expect(result.servedBy[full.mesh.id]).toBe(result.blocks);
    const alone = await Receiver.open();
    const failure = await alone.fetch(root, [mute, empty.mesh]).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'TRANSFER_FAILED',
      dropped: [{ code: 'MESH_PROTOCOL_UNKNOWN' }, { peer: empty.mesh.id, code: 'TRANSFER_BLOCK_MISSING' }],
    });
    expect(await codeOf(alone.fetch(root, []))).toBe('TRANSFER_NO_PROVIDER');
  });

  it('waits a moment for a tree that is only just being published', async () => {
    const from = await serving();
    const area = from.store.sealed('lease');
    const root = await from.store.importBytes(Buffer.from('log'), { into: area });
    const to = await Receiver.open();
    const { open, ...provider } = to.provider(from.mesh);
    // It asks again only when it was told that there is no such tree.
    const again: Provider['open'] = async (signal) => {
      if (to.asked.length === 1) await from.store.publish(area);
      return open(signal);
    };
    to.provider = () => ({ ...provider, open: again });
    expect((await to.fetch(root, [from.mesh])).blocks).toBe(1);
    expect(to.asked.length).toBe(2);
  });

  it('falls back to Bitswap for a peer that has nothing else', async () => {
    const old = await node();
    const from = await store(old.libp2p);
    const root = await importInto(from, small(50));
    const mesh = await node();
    const to = Object.assign(await Receiver.open(), { mesh, store: await store(mesh.libp2p) });
    await mesh.connect(old.addresses());
    await to.pull(root, [old.id]);
    expect(await to.store.has(root)).toBe(true);
  });

  it('stops at its limits of bytes and blocks', async () => {
    const from = await serving();
    const root = await importInto(from.store, small(50, 2_000));
    const to = await Receiver.open();
    expect(await codeOf(to.fetch(root, [from.mesh], { maxBytes: 50_000 }))).toBe('STORE_TREE_TOO_LARGE');
    withLimits(limits, { treeBlocksMax: 40 });
    expect(await codeOf(to.fetch(root, [from.mesh]))).toBe('STORE_TREE_TOO_MANY_BLOCKS');
    withLimits(limits, { treeBlocksMax: 71 });
    expect((await to.fetch(root, [from.mesh])).blocks).toBe(71);
  });

  it('finds what is here already anywhere in the tree, and asks for the rest only', async () => {
    const from = await serving();
    const entries = small(200, 3_000);
    const root = await importInto(from.store, entries);
    const to = await Receiver.open();
    await importInto(to.store, entries.slice(0, 100));
    const folders = (await collect(from.store.list(root))).filter(({ kind }) => kind === 'dir');
    for (const { cid } of folders.slice(0, 10)) await to.fetch(cid, [from.mesh]);
    await to.store.blocks.put(CID.parse(root), await from.store.blocks.read(CID.parse(root)));
    const result = await to.fetch(root, [from.mesh]);
    expect(result.blocks).toBe(221);
    expect(result.servedBy[from.mesh.id] ?? 0).toBeLessThan(111);
    expect(await to.store.has(root)).toBe(true);
  });
});
