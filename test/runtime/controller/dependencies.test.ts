import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeIndex, makeIndex } from '../../../src/core/dependencies/index.ts';
import { provenIndex } from '../../../src/runtime/artifacts/dependency-index.ts';
import { serveArtifacts } from '../../../src/runtime/artifacts/transfer.ts';
import type { ControllerContext } from '../../../src/runtime/controller/context.ts';
import { ControllerDependencies } from '../../../src/runtime/controller/dependencies.ts';
import { type DependencyRoom, dependencyRoom } from '../../../src/runtime/controller/dependency-room.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { noiseBytes, type TarEntry } from '../../store/support.ts';
import { loopbackMesh } from '../../support/mesh.ts';
import { importInto } from '../../transfer/support.ts';
import { codeOf, folder } from '../support.ts';

const KiB = 1024;
const room: DependencyRoom = {
  ...dependencyRoom,
  ...{ treeBytesMax: 100 * KiB, publisherBytesMax: 250 * KiB, bytesMax: 400 * KiB },
  ...{ treesPerPublisherMax: 4, bringsMax: 2, bringsPerPublisherMax: 1, publisherIndexesMax: 2 },
};

interface Place {
  dependencies: ControllerDependencies;
  store: Store;
  /** Trees that open runs need. */
  needed: Set<string>;
  /** Has the controller take a tree of so many KiB from a publisher, or one of these files; gives the tree. */
  bring(operator: string, what: number | TarEntry[], by?: ControllerDependencies): Promise<string>;
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
  const context = {
    ...{ mesh, store, tell: () => {} },
    machine: { state: { index: { open } } },
  } as unknown as ControllerContext;
  const { signal } = new AbortController();
  const dependencies = new ControllerDependencies(context, signal, room);
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
    const later = new ControllerDependencies(context, signal, room);
    await later.resume();
    return later;
  };
  return { dependencies, store, needed, bring, again };
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

  it('of one publisher leave room for those of another', async () => {
    const { needed, bring, dependencies } = await place();
    for (const tree of [await bring('owner', 90), await bring('owner', 90)]) needed.add(tree);
    expect(await codeOf(() => bring('owner', 90))).toMatch(/^DEPENDENCIES_(NO_ROOM|UNAVAILABLE)$/);
    const other = await bring('other', 90);
    expect(await has(dependencies, other)).toBe(true);
  });

  it('are as many as one publisher may have open', async () => {
    const { needed, bring } = await place();
    for (let n = 0; n < room.treesPerPublisherMax; n++) needed.add(await bring('owner', 1));
    expect(await codeOf(() => bring('owner', 1))).toBe('DEPENDENCIES_NO_ROOM');
  });

  it('are not larger than a tree may be', async () => {
    const { bring } = await place();
    expect(await codeOf(() => bring('owner', 101))).toBe('DEPENDENCIES_UNAVAILABLE');
    await bring('owner', 99);
  });

  it('are fetched from one publisher one after the other', async () => {
    const { bring } = await place();
    const both = [codeOf(() => bring('owner', 50)), codeOf(() => bring('owner', 50))];
    expect((await Promise.all(both)).filter((code) => code === 'DEPENDENCIES_BUSY')).toHaveLength(1);
  });
});
