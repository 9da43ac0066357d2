import type { Libp2p } from '@libp2p/interface';
import { describe, expect, it } from 'vitest';
import type { Area, Store } from '../../../src/store/index.ts';
import { codeOf, collect, node, pair, store, type TarEntry, tar } from '../../store/support.ts';

const entries: TarEntry[] = [
  { name: 'bin/tool', body: 'the answer of this round', mode: 0o755 },
  { name: 'log', body: 'done' },
];

async function setting(): Promise<{ worker: Store; thief: Store; from: string[]; libp2p: Libp2p }> {
  const [a, b] = await pair();
  return { worker: await store(a), thief: await store(b), from: [a.peerId.toString()], libp2p: a };
}

const importInto = async (worker: Store, into: Area): Promise<string> =>
  (await worker.importTar(await tar(entries), { into })).root;

describe('a peer that guesses the CIDs of a sealed round', () => {
  it('gets them where the area is public: the control', async () => {
    const { worker, thief, from } = await setting();
    const root = await importInto(worker, worker.public);
    expect((await thief.pull(root, { from })).blocks).toBe(4);
  });

  it('gets none while they are sealed, neither the root nor a leaf, and all once they are published', async () => {
    const { worker, thief, from, libp2p } = await setting();
    const area = worker.sealed('lease-1');
    const root = await importInto(worker, area);
    const log = await worker.importBytes(Buffer.from('done'), { into: area });
    const leaves = (await collect(worker.list(root, { from: area }))).map(({ cid }) => cid);
    for (const cid of new Set([root, log, ...leaves])) {
      expect(await codeOf(thief.pull(cid, { from }))).toBe('STORE_PULL_BLOCK_MISSING');
    }
    await worker.publish(area);
    // By another: to the thief, which has been refused, the library does not answer the same want again (docs/performance.md).
    const reader = await node();
    await reader.dial(libp2p.getMultiaddrs());
    expect((await (await store(reader)).pull(root, { from })).blocks).toBe(4);
  });

  it('is told nothing: no want, no presence and no block leaves the worker during a sealed round', async () => {
    const libp2p = await node();
    const heard: string[] = [];
    const listener = await node();
    // Speaks Bitswap before the worker connects, so that it is sent whatever the worker broadcasts.
    await listener.handle('/ipfs/bitswap/1.2.0', (_stream, connection) => {
      heard.push(connection.remotePeer.toString());
    });
    const after = Promise.withResolvers<void>();
    await listener.handle('/after/1.0.0', () => after.resolve());
    const worker = await store(libp2p);
    const connection = await libp2p.dial(listener.getMultiaddrs());
    const area = worker.sealed('lease-2');
    const root = await importInto(worker, area);
    await collect(worker.list(root, { from: area, hash: true }));
    await collect(worker.exportTar(root, { from: area }));
    expect(await worker.has(root)).toBe(false);
    // Messages before it on the same connection have come when this has.
    await connection.newStream('/after/1.0.0');
    await after.promise;
    expect(heard).toEqual([]);
    // The control: the listener does hear the worker when it pulls from it.
    await codeOf(worker.pull(root, { from: [listener.peerId.toString()], idleSeconds: 0.5 }));
    expect(heard.length).toBeGreaterThan(0);
  });

  it('does not see them through any read that does not name the area', async () => {
    const { worker } = await setting();
    const area = worker.sealed('lease-3');
    const root = await importInto(worker, area);
    const log = await worker.importBytes(Buffer.from('done'), { into: area });
    expect(await codeOf(worker.readBytes(log, { maxBytes: 100 }))).toBe('STORE_BLOCK_MISSING');
    expect(await codeOf(collect(worker.list(root)))).toBe('STORE_BLOCK_MISSING');
    expect(await codeOf(collect(worker.exportTar(root)))).toBe('STORE_BLOCK_MISSING');
    expect(await codeOf(worker.pin([root], 'x'))).toBe('STORE_BLOCK_MISSING');
    const other = worker.sealed('lease-4');
    expect(await codeOf(worker.readBytes(log, { maxBytes: 100, from: other }))).toBe('STORE_BLOCK_MISSING');
    expect(Buffer.from(await worker.readBytes(log, { maxBytes: 100, from: area })).toString()).toBe('done');
  });
});
