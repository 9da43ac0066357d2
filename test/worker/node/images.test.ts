import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { readImage } from '../../../src/image/index.ts';
import type { Mesh, PeerAddress } from '../../../src/mesh/index.ts';
import { artifactLimits } from '../../../src/node/artifacts/limits.ts';
import { serveTrees } from '../../../src/transfer/index.ts';
import { transferLimits } from '../../../src/transfer/limits.ts';
import type { WorkerContext } from '../../../src/worker/node/context.ts';
import { WorkerImages } from '../../../src/worker/node/images.ts';
import { workerNodeLimits } from '../../../src/worker/node/limits.ts';
import { pullFromControllers } from '../../../src/worker/node/pull.ts';
import { file, layoutOf, writeLayoutTo } from '../../image/support.ts';
import { smallSystem } from '../../image/system.ts';
import { store } from '../../store/support.ts';
import { folder } from '../../support/code-and-folder.ts';
import { withLimits } from '../../support/with-limits.ts';
import { answering, importInto, node, serving, small } from '../../transfer/support.ts';

const { signal } = new AbortController();

beforeEach(() => withLimits(transferLimits, { breakAgainMs: 1 }));
const addressOf = (mesh: Mesh): PeerAddress => ({ id: mesh.id, addrs: mesh.addresses() });

/** A node that builds can run in an image of. */
async function withImage() {
  const at = await serving();
  const dir = await folder();
  await writeLayoutTo(await layoutOf([[...smallSystem(), file('usr/a', 'a')]]), join(dir, 'in'));
  const tar = await readImage(join(dir, 'in'), { scratch: dir, signal, arch: 'x86_64' });
  const { root } = await at.store.importTar(tar, { into: at.store.public, rules: 'image' });
  return { ...at, image: root };
}

interface Around {
  controllers?: readonly Mesh[];
  /** Found in the network. */
  found?: () => Iterable<PeerAddress>;
}

/** A worker of a project with these controllers. */
async function worker({ controllers = [], found = () => [] }: Around = {}) {
  const [dir, mesh, own] = [await folder(), await node(), await store()];
  const told: string[] = [];
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const looked = vi.spyOn(mesh, 'findProviders').mockImplementation(async function* () {
    yield* found();
  });
  const announced = vi.spyOn(mesh, 'provide').mockResolvedValue();
  const context = {
    dir,
    mesh,
    store: own,
    key: { id: mesh.id },
    signal: stop.signal,
    credentials: { membership: { controllers: controllers.map(addressOf) } },
    tell: (level: string, kind: string, says: string) => void told.push(`${level} ${kind}: ${says}`),
  } as unknown as WorkerContext;
  const pins = async () => (await own.pins()).map(({ root, names }) => [root, ...names]);
  return { context, dir, mesh, store: own, told, stop, looked, announced, pins };
}

describe('an image of a job', () => {
  it('comes from the controller and from those who announce it, and is kept, announced and told of', async () => {
    const [controller, other] = [await node(), await withImage()];
    const { image } = other;
    const found: PeerAddress[] = [addressOf(other.mesh)];
    const { context, mesh, looked, announced, pins, told, dir } = await worker({
      controllers: [controller],
      found: () => found,
    });
    found.unshift({ ...addressOf(other.mesh), id: mesh.id });
    const connected = vi.spyOn(mesh, 'connect');
    const images = new WorkerImages(context);
    const seen: unknown[] = [];
    const said: string[] = [];
    const say = (text: string) => {
      said.push(text);
      seen.push(images.fetching?.image);
    };
    const others: string[] = [];
    const idle = images.use('another', signal, (text) => void others.push(text));
    const gone = images.use(image, signal, (text) => void others.push(text));
    await gone.release();
    const held = images.use(image, signal, say);
    expect(await held.directory()).toBe(join(dir, 'image-cache', image, 'tree'));
    expect(said.map((text) => text.split(':')[0])).toEqual([
      `fetching the image ${image}`,
      `done fetching the image ${image}`,
    ]);
    expect(seen.at(-1)).toBe(image);
    expect(images.fetching).toBeNull();
    expect(others).toEqual([]);
    expect(told[0]).toBe(`info image: fetching the image ${image}`);
    expect(await pins()).toEqual([[image, 'image']]);
    expect(announced.mock.calls).toEqual([[image]]);
    expect(looked.mock.calls.map(([cid, { max }]) => [cid, max])).toEqual([
      [image, workerNodeLimits.imagePeersMax],
    ]);
    // The controller and the other worker, and not this one itself.
    expect(connected).toHaveBeenCalledTimes(2);
    await held.directory();
    await held.erofs();
    expect(looked).toHaveBeenCalledTimes(1);
    expect(existsSync(join(dir, 'image-cache', image, 'image.erofs'))).toBe(true);
    await images.makeAnew([image]);
    expect(await readdir(join(dir, 'image-cache'))).toEqual([image]);
    await held.release();
    await idle.release();
    expect(await readdir(join(dir, 'image-cache'))).toEqual([]);
  });

  it('that is long on its way is told of all the time, and to the builds that wait now and then', async () => {
    const source = await withImage();
    const { promise: go, resolve } = Promise.withResolvers<void>();
    const slow = await answering(async (channel) => {
      await go;
      await serveTrees(channel, source.store.blocks);
    });
    const { context, told } = await worker({ controllers: [slow] });
    withLimits(workerNodeLimits, { imageSayMs: 1e9 });
    const said: string[] = [];
    const ready = new WorkerImages(context)
      .use(source.image, signal, (text) => void said.push(text))
      .directory();
    await expect
      .poll(() => told.filter((text) => text.startsWith('info transfer: fetching')).length)
      .toBeGreaterThan(1);
    expect(said).toHaveLength(1);
    withLimits(workerNodeLimits, { imageSayMs: 0 });
    await expect.poll(() => said.length).toBeGreaterThan(1);
    resolve();
    await ready;
  });

  it('that no build can run in is let go of, and what was used just now stays a while', async () => {
    const controller = await serving();
    const tree = await importInto(controller.store, small(3));
    const { context, store: own, pins } = await worker({ controllers: [controller.mesh] });
    const swept = vi.spyOn(own, 'collect');
    const images = new WorkerImages(context);
    const { directory } = images.use(tree, signal, () => {});
    await expect(directory()).rejects.toMatchObject({ code: 'IMAGE_UNFIT' });
    expect(await pins()).toEqual([]);
    expect(swept.mock.calls).toEqual([[{ graceSeconds: workerNodeLimits.imageGraceSeconds }]]);
  });

  it('that nobody has is an error, also where nobody can be looked for; a worker that ends says its reason', async () => {
    const controller = await serving();
    const image = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi';
    const lost = await worker({
      controllers: [controller.mesh],
      found: () => {
        throw new Error('no network');
      },
    });
    const images = new WorkerImages(lost.context);
    const { directory } = images.use(image, signal, () => {});
    await expect(directory()).rejects.toMatchObject({ code: 'TRANSFER_FAILED' });
    expect([images.fetching, await lost.pins()]).toEqual([null, []]);
    const reason = new Error('ends');
    const ending = await worker({
      controllers: [controller.mesh],
      found: () => {
        ending.stop.abort(reason);
        throw new Error('no network');
      },
    });
    const ended = new WorkerImages(ending.context).use(image, signal, () => {});
    await expect(ended.directory()).rejects.toBe(reason);
  });

  it('is announced again by the next start where it is ready, and let go of where it is not', async () => {
    const source = await withImage();
    const { image } = source;
    const first = await worker({ controllers: [source.mesh] });
    await new WorkerImages(first.context).use(image, signal, () => {}).directory();
    const rest = await importInto(first.store, small(2));
    const result = await importInto(first.store, small(3));
    await first.store.pin([rest], 'image');
    await first.store.pin([result], 'results');
    await mkdir(join(first.dir, 'image-cache', '.new-abc'));
    first.announced.mockClear();
    await new WorkerImages(first.context).announceReady();
    expect(first.announced.mock.calls).toEqual([[image]]);
    expect((await first.pins()).sort()).toEqual(
      [
        [image, 'image'],
        [result, 'results'],
      ].sort(),
    );
    expect(await readdir(join(first.dir, 'image-cache'))).toEqual([image]);
    expect(first.told.filter((text) => text.startsWith('warn'))).toEqual([]);
  });

  it('that cannot be looked at is told of at the start, unless the worker ends', async () => {
    const { context, told, stop, dir } = await worker();
    vi.spyOn(context.store, 'pins').mockRejectedValue(new Error('a bad disk'));
    await new WorkerImages(context).announceReady();
    expect(told).toEqual(['warn images: images: a bad disk']);
    stop.abort();
    await new WorkerImages(context).announceReady();
    expect(told).toHaveLength(1);
    await rm(dir, { recursive: true });
  });
});

describe('a tree that a job reads', () => {
  const pull = (
    { context }: { context: WorkerContext },
    cid: string,
    more: { maxBytes?: number; signal?: AbortSignal } = {},
  ) => pullFromControllers(context, cid, { maxBytes: 2 ** 20, signal, ...more });

  it('comes from a controller, else from those who announce it, and is not fetched where it is here', async () => {
    const [controller, other] = [await serving(), await serving()];
    const cid = await importInto(other.store, small(5));
    const from = await worker({ controllers: [controller.mesh], found: () => [addressOf(other.mesh)] });
    expect(await pull(from, cid)).toBeGreaterThan(2_500);
    expect(await from.store.has(cid)).toBe(true);
    expect(from.looked.mock.calls.map(([which, { max }]) => [which, max])).toEqual([
      [cid, artifactLimits.peersMax],
    ]);
    // An image that is in the store opens no connection.
    const connected = vi.spyOn(from.mesh, 'connect');
    expect(await pull(from, cid)).toBe(0);
    expect(connected).not.toHaveBeenCalled();
    const direct = await worker({ controllers: [other.mesh] });
    expect(await pull(direct, cid)).toBeGreaterThan(2_500);
    expect(direct.looked).not.toHaveBeenCalled();
  });

  it('that is too large, that nobody has, or that is not waited for any more ends with that', async () => {
    const controller = await serving();
    const cid = await importInto(controller.store, small(5));
    const from = await worker({ controllers: [controller.mesh] });
    await expect(pull(from, cid, { maxBytes: 100 })).rejects.toMatchObject({ code: 'STORE_TREE_TOO_LARGE' });
    expect(from.looked).not.toHaveBeenCalled();
    const empty = await worker({ controllers: [(await serving()).mesh] });
    await expect(pull(empty, cid)).rejects.toMatchObject({ code: 'TRANSFER_FAILED' });
    expect(empty.looked).toHaveBeenCalledTimes(1);
    const alone = await worker();
    await expect(pull(alone, cid)).rejects.toMatchObject({ code: 'TRANSFER_NO_PROVIDER' });
    const stop = new AbortController();
    const reason = new Error('cancelled');
    const silent = await answering(async () => stop.abort(reason));
    const cancelled = await worker({ controllers: [silent] });
    await expect(pull(cancelled, cid, { signal: stop.signal })).rejects.toBe(reason);
    expect(cancelled.looked).not.toHaveBeenCalled();
  });
});
