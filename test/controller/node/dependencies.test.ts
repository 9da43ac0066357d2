import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ControllerContext } from '../../../src/controller/node/context.ts';
import { ControllerDependencies } from '../../../src/controller/node/dependencies.ts';
import { type DependencyRoom, dependencyRoom } from '../../../src/controller/node/dependency-room.ts';
import { KeptIndexes } from '../../../src/controller/node/kept-indexes.ts';
import { provenIndex } from '../../../src/node/artifacts/dependency-index.ts';
import { serveArtifacts } from '../../../src/node/artifacts/transfer.ts';
import { encodeIndex, makeIndex } from '../../../src/protocol/lock-formats/index.ts';
import type { Link } from '../../../src/protocol/sessions/ports.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { noiseBytes, store, type TarEntry } from '../../store/support.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { loopbackMesh } from '../../support/mesh.ts';
import { importInto } from '../../transfer/support.ts';

const KiB = 1024;
const room: DependencyRoom = {
  ...dependencyRoom,
  treeBytesMax: 100 * KiB,
  publisherBytesMax: 250 * KiB,
  bytesMax: 400 * KiB,
  treesPerPublisherMax: 4,
  bringsMax: 2,
  bringsPerPublisherMax: 1,
  publisherIndexesMax: 2,
  progressMs: 1,
};

interface Place {
  context: ControllerContext;
  dependencies: ControllerDependencies;
  store: Store;
  /** Of the publisher, and the connection to it. */
  served: Store;
  from: Link;
  /** Trees that open runs need. */
  needed: Set<string>;
  /** Has the controller take a tree of so many KiB from a publisher, or one of these files; gives the tree. */
  bring(operator: string, what: number | TarEntry[], by?: ControllerDependencies): Promise<string>;
  /** Ends the controller's life. */
  stop(): void;
  /** A controller that was started anew on the same store. */
  again(): Promise<ControllerDependencies>;
}

/** The controller's part, and a publisher that it is connected with. */
async function place(): Promise<Place> {
  const dir = await folder();
  const meshes = await Promise.all([loopbackMesh(), loopbackMesh()]);
  const stores = await Promise.all(['own', 'theirs'].map((name) => openStore({ dir: join(dir, name) })));
  onTestFinished(async () => {
    for (const one of [...meshes, ...stores]) await one.close();
  });
  const [mesh, other] = meshes;
  const [store, served] = stores as [Store, Store];
  serveArtifacts({ mesh: other, store: served });
  await mesh.connect(other.addresses());
  const [from] = mesh.links(other.id);
  if (from === undefined) throw new Error('they are connected');
  const needed = new Set<string>();
  const open = {
    values: () => [...needed].map((tree) => ({ job: { dependencies: { tree } } })).values(),
  };
  const life = new AbortController();
  const context = {
    mesh,
    store,
    tell: () => {},
    closing: life.signal,
    machine: { state: { index: { open } } },
  } as unknown as ControllerContext;
  const dependencies = new ControllerDependencies(context, room);
  let made = 0;
  const bring = async (operator: string, what: number | TarEntry[], by = dependencies) => {
    made += 1;
    const tree =
      typeof what === 'number'
        ? await served.importBytes(Buffer.alloc(what * KiB, `${made} `), { into: served.public })
        : await importInto(served, what);
    await by.bring({ tree, from, operator, onProgress: () => {} });
    return tree;
  };
  const again = async () => {
    const later = new ControllerDependencies({ ...context, closing: new AbortController().signal }, room);
    await later.takeUp();
    return later;
  };
  const stop = () => life.abort(new Error('it ends'));
  return { context, dependencies, store, served, from, needed, bring, stop, again };
}

/** An index that names one package. */
function indexOf(n: number): string {
  const integrity = `sha512-${'A'.repeat(86)}==`;
  const packages = { [`node_modules/p${n}`]: { version: '1.0.0', integrity } };
  const files = new Map([
    ['package-lock.json', Buffer.from(JSON.stringify({ lockfileVersion: 3, packages }))],
  ]);
  const facts = { sha256: '12'.repeat(32), size: 1 };
  const sources = { locks: ['package-lock.json'], files, arch: 'x86_64' as const };
  return Buffer.from(encodeIndex(makeIndex(sources, () => facts)).bytes).toString();
}

const has = async (dependencies: ControllerDependencies, tree: string) =>
  (await codeOf(() => dependencies.need(tree))) === undefined;

describe('the dependencies that a controller keeps', () => {
  it('are pinned, and known to the next start', async () => {
    const here = await place();
    const tree = await here.bring('owner', 10);
    expect(here.store.pinned(tree)).toBe(true);
    expect(await has(await here.again(), tree)).toBe(true);
    expect(await has(await here.again(), 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku')).toBe(
      false,
    );
  });

  it('make room for newer ones, the one asked for longest ago first, but for those that open runs need', async () => {
    const { dependencies, store, needed, bring } = await place();
    const [first, second] = [await bring('owner', 90), await bring('owner', 90)];
    needed.add(first);
    const third = await bring('owner', 90);
    expect(await has(dependencies, first)).toBe(true);
    expect(await has(dependencies, second)).toBe(false);
    expect(await has(dependencies, third)).toBe(true);
    expect(store.pinned(second)).toBe(false);
  });

  it('leave their indexes behind, so many of each publisher, also over a restart', async () => {
    const { dependencies, store, bring, again } = await place();
    const purl = (n: number) => `pkg:npm/p${n}@1.0.0`;
    const withIndex = (n: number) => [
      { name: 'index.json', body: indexOf(n) },
      { name: 'sha256/1', body: noiseBytes(95 * KiB, n + 1) },
    ];
    const other = await bring('other', withIndex(0));
    const trees: string[] = [];
    for (let n = 1; n <= 3; n++) trees.push(await bring('owner', withIndex(n)));
    const { signal } = new AbortController();
    const names = async () => {
      await store.collect({ graceSeconds: -10 });
      const all = [other, ...trees].map((tree) => provenIndex(store, tree, signal).catch(() => undefined));
      return (await Promise.all(all)).map((found) => found?.index.blobs[0]?.purl);
    };
    expect(await names()).toEqual([purl(0), purl(1), purl(2), purl(3)]);
    expect([store.pinned(trees[0] ?? ''), await store.has(trees[0] ?? '')]).toEqual([false, false]);
    expect(await has(dependencies, trees[0] ?? '')).toBe(false);
    // In no form that has an index, and one whose index is none: nothing is kept of them.
    await bring('owner', 90);
    await bring('owner', [{ name: 'index.json/x', body: noiseBytes(90 * KiB) }]);
    expect(await names()).toEqual([purl(0), undefined, purl(2), purl(3)]);
    for (let n = 4; n <= 5; n++) await bring('owner', withIndex(n));
    expect(await names()).toEqual([purl(0), undefined, purl(2), purl(3)]);
    const later = await again();
    for (let n = 6; n <= 7; n++) await bring('owner', withIndex(n), later);
    expect(await names()).toEqual([purl(0), undefined, undefined, undefined]);
  });

  it('are let go of although their index cannot be kept, which is told', async () => {
    const { context, store, bring } = await place();
    const tell = vi.spyOn(context, 'tell');
    const withIndex = (n: number) => [
      { name: 'index.json', body: indexOf(n) },
      { name: 'sha256/1', body: noiseBytes(95 * KiB, n + 1) },
    ];
    const trees = [await bring('owner', withIndex(1)), await bring('owner', withIndex(2))];
    const pin = store.pin.bind(store);
    vi.spyOn(store, 'pin').mockImplementation(async (roots, name) => {
      if (name.startsWith('index ')) throw new Error('no disk');
      return pin(roots, name);
    });
    trees.push(await bring('owner', withIndex(3)));
    expect(trees.map((tree) => store.pinned(tree))).toEqual([false, true, true]);
    expect(tell).toHaveBeenCalledWith(
      ...['warn', 'dependencies', `the index of ${trees[0]} is not kept: no disk`, { tree: trees[0] }],
    );
  });

  it('stay where the controller ends before their index is kept', async () => {
    const { store, bring, stop } = await place();
    const withIndex = (n: number) => [
      { name: 'index.json', body: indexOf(n) },
      { name: 'sha256/1', body: noiseBytes(95 * KiB, n + 1) },
    ];
    const trees = [await bring('owner', withIndex(1)), await bring('owner', withIndex(2))];
    const pin = store.pin.bind(store);
    vi.spyOn(store, 'pin').mockImplementation(async (roots, name) => {
      if (!name.startsWith('index ')) return pin(roots, name);
      stop();
      throw new Error('cut off');
    });
    await expect(bring('owner', withIndex(3))).rejects.toThrow('it ends');
    expect(trees.map((tree) => store.pinned(tree))).toEqual([true, true]);
  });

  it('of one publisher leave room for those of another', async () => {
    const { needed, bring, dependencies } = await place();
    for (const tree of [await bring('owner', 90), await bring('owner', 90)]) needed.add(tree);
    expect(await codeOf(() => bring('owner', 90))).toMatch(/^DEPENDENCIES_(BUSY|UNAVAILABLE)$/);
    const other = await bring('other', 90);
    expect(await has(dependencies, other)).toBe(true);
  });

  it('are as many as one publisher may have open', async () => {
    const { needed, bring } = await place();
    for (let n = 0; n < room.treesPerPublisherMax; n++) needed.add(await bring('owner', 1));
    expect(await codeOf(() => bring('owner', 1))).toBe('DEPENDENCIES_BUSY');
  });

  it('are as many of one publisher as stay, the oldest goes for one more', async () => {
    const { store, bring } = await place();
    const trees: string[] = [];
    const kept = () => trees.filter((tree) => store.pinned(tree)).length;
    for (let n = 0; n < room.treesPerPublisherMax; n++) trees.push(await bring('owner', 1));
    expect(kept()).toBe(room.treesPerPublisherMax);
    trees.push(await bring('owner', 1));
    expect([kept(), store.pinned(trees[0] ?? '')]).toEqual([room.treesPerPublisherMax, false]);
  });

  it('are not larger than a tree may be', async () => {
    const { bring } = await place();
    expect(await codeOf(() => bring('owner', 101))).toBe('DEPENDENCIES_UNAVAILABLE');
    await bring('owner', 99);
  });

  it('stay up to their bounds, and are taken up in the order in which they came', async () => {
    const { dependencies, store, needed, bring, again } = await place();
    const own = [await bring('owner', 100), await bring('owner', 100), await bring('owner', 50)];
    const others = [await bring('other', 100), await bring('other', 50)];
    const kept = (all: string[]) => all.filter((tree) => store.pinned(tree)).length;
    expect([kept(own), kept(others)]).toEqual([3, 2]);
    for (const tree of own) needed.add(tree);
    expect(await codeOf(() => bring('owner', 1))).toBe('DEPENDENCIES_BUSY');
    needed.clear();
    const last = await bring('other', 1);
    expect([kept(own), kept(others), kept([last])]).toEqual([2, 2, 1]);
    const small = await Promise.all(
      [1, 2, 3].map((n) => store.importBytes(Buffer.alloc(n), { into: store.public })),
    );
    for (const [n, tree] of small.entries())
      await store.pin([tree], `dependencies third ${20 * KiB} ${9 - n}`);
    const later = await again();
    await bring('third', 50, later);
    expect(small.map((tree) => store.pinned(tree))).toEqual([true, true, false]);
    await store.unpin(small[0] ?? '');
    expect([await has(later, small[0] ?? ''), await has(later, small[1] ?? '')]).toEqual([false, true]);
    expect(await has(dependencies, own[2] ?? '')).toBe(true);
  });

  it('are asked for once where they are here, and again where the disk lost some of them', async () => {
    const { dependencies, store, from, bring } = await place();
    const tree = await bring('owner', 10);
    const pulled = vi.spyOn(store.blocks, 'during');
    const again = () => dependencies.bring({ tree, from, operator: 'owner', onProgress: () => {} });
    await again();
    expect(pulled).not.toHaveBeenCalled();
    vi.spyOn(store, 'has').mockResolvedValue(false);
    await again();
    expect(pulled).toHaveBeenCalledTimes(1);
  });

  it('are on their way up to a number, of one publisher and of all, and are told of meanwhile', async () => {
    const { dependencies, served, store, from, needed, bring } = await place();
    const held = Promise.withResolvers<void>();
    const tree = await served.importBytes(Buffer.alloc(50 * KiB, 'x'), { into: served.public });
    const slow = { peer: from.peer, open: (...args) => held.promise.then(() => from.open(...args)) } as Link;
    const own = [await bring('owner', 100), await bring('owner', 100), await bring('owner', 50)];
    let told = 0;
    const begin = (operator: string) =>
      codeOf(() => dependencies.bring({ tree, from: slow, operator, onProgress: () => void told++ }));
    const first = begin('owner');
    expect(await begin('owner')).toBe('DEPENDENCIES_BUSY');
    const second = begin('other');
    expect(await begin('third')).toBe('DEPENDENCIES_BUSY');
    await expect.poll(() => told).toBeGreaterThan(0);
    // Open runs need what was here before.
    for (const one of own) needed.add(one);
    held.resolve();
    // One of them brings it for both.
    const codes = [await first, await second];
    expect(codes).toContain(undefined);
    expect(store.pinned(tree)).toBe(true);
    expect(await begin('third')).toBeUndefined();
    expect((await store.pins()).find(({ root }) => root === tree)?.names).toHaveLength(1);
  });

  it('that come when the controller ends are given up with its reason', async () => {
    const { context, served } = await place();
    const tree = await served.importBytes(Buffer.alloc(50 * KiB, 'x'), { into: served.public });
    const stop = new AbortController();
    const reason = new Error('ends');
    const ending = { peer: 'x', open: async () => Promise.reject(stop.abort(reason)) } as unknown as Link;
    const brought = new ControllerDependencies({ ...context, closing: stop.signal }, room).bring({
      tree,
      from: ending,
      operator: 'owner',
      onProgress: () => {},
    });
    await expect(brought).rejects.toBe(reason);
  });

  it('for which there is no room any more when they have come are not kept', async () => {
    const { dependencies, served, store, from, needed, bring } = await place();
    const held = Promise.withResolvers<void>();
    const tree = await served.importBytes(Buffer.alloc(50 * KiB, 'x'), { into: served.public });
    const slow = { peer: from.peer, open: (...args) => held.promise.then(() => from.open(...args)) } as Link;
    const own = [await bring('owner', 100), await bring('owner', 100), await bring('owner', 50)];
    const coming = codeOf(() =>
      dependencies.bring({ tree, from: slow, operator: 'owner', onProgress: () => {} }),
    );
    for (const one of own) needed.add(one);
    held.resolve();
    expect([await coming, store.pinned(tree)]).toEqual(['DEPENDENCIES_BUSY', false]);
  });

  it('are fetched from one publisher one after the other', async () => {
    const { bring } = await place();
    const both = [codeOf(() => bring('owner', 50)), codeOf(() => bring('owner', 50))];
    expect((await Promise.all(both)).filter((code) => code === 'DEPENDENCIES_BUSY')).toHaveLength(1);
  });
});

it('indexes of trees that are gone stay up to their bounds, those of one publisher first, then those of all', async () => {
  const whole = await store();
  const pinned = new Map<string, string>();
  const cids = await Promise.all(
    [0, 1, 2, 3, 4, 5].map((n) => importInto(whole, [{ name: `${n}`, body: 'x' }])),
  );
  const fake = {
    blocks: { parse: whole.blocks.parse, touch: () => 5 },
    resolve: async (tree: string) =>
      tree === cids[5] ? { kind: 'dir' } : { kind: 'file', cid: `of ${tree}` },
    readBytes: async () => new Uint8Array(10),
    pin: async ([, index]: string[], pin: string) => void pinned.set(index ?? '', pin),
    unpin: async (index: string) => void pinned.delete(index),
  } as unknown as Store;
  const indexes = new KeptIndexes(fake, {
    ...room,
    publisherIndexesMax: 3,
    publisherIndexBytesMax: 30,
    indexBytesMax: 45,
  });
  const { signal } = new AbortController();
  const kept = () => cids.flatMap((tree, n) => (pinned.has(`of ${tree}`) ? [n] : []));
  const seen: number[][] = [];
  for (const [n, operator] of ['a', 'a', 'a', 'b', 'b', 'c'].entries()) {
    await indexes.keep(cids[n] ?? '', operator, signal);
    seen.push(kept());
  }
  expect(seen).toEqual([[0], [0, 1], [1, 2], [1, 2, 3], [2, 3, 4], [2, 3, 4]]);
  expect([...pinned.values()][0]).toMatch(/^index a 15 \d+ bafy/);
  const before = [...pinned];
  await indexes.keep(cids[2] ?? '', 'b', signal);
  expect([...pinned]).toEqual(before);
  const reason = new Error('ends');
  const ended = AbortSignal.abort(reason);
  fake.resolve = async () => ended.throwIfAborted() as never;
  await expect(indexes.keep(cids[0] ?? '', 'a', ended)).rejects.toBe(reason);
  // Without an end of the controller it has none.
  await indexes.keep(cids[0] ?? '', 'a', signal);
});
