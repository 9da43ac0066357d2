import { rm, truncate } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import timers from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { ControllerContext } from '../../../src/controller/node/context.ts';
import { ControllerImages } from '../../../src/controller/node/images.ts';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { removeImageFile, writeImageFile } from '../../../src/execution/images/files.ts';
import { store } from '../../store/support.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { withLimits } from '../../support/with-limits.ts';
import { importInto, small } from '../../transfer/support.ts';

/** A controller whose owner brought images of these many files, where open jobs are to be built in `jobs`. */
async function controller(counts: readonly number[], jobs: readonly string[] = []) {
  const dir = await folder();
  const from = await store();
  const images: string[] = [];
  for (const count of counts) {
    const image = await importInto(from, small(count));
    const made = { image, bytes: 1, files: count, of: 'a test', made: 'now' };
    await writeImageFile(from, join(dir, 'images'), made, new AbortController().signal);
    images.push(image);
  }
  const own = await store();
  const told: string[] = [];
  const announced: string[] = [];
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const context = {
    folder: { dir },
    store: own,
    machine: { state: { index: { open: new Map(jobs.map((image) => [image, { job: { image } }])) } } },
    mesh: { provide: async (cid: string) => void announced.push(cid) },
    tell: (level: string, kind: string, says: string) => void told.push(`${level} ${kind}: ${says}`),
  } as unknown as ControllerContext;
  const open = () => new ControllerImages({ ...context, closing: stop.signal });
  const pins = async () => (await own.pins()).map(({ root, names }) => [root, ...names]);
  return { dir: join(dir, 'images'), images, store: own, told, announced, open, pins, context, stop };
}

it('an image is read once from the folder of its owner, kept, announced, and served from then on', async () => {
  const { images: all, open, pins, told, announced, dir, store: own } = await controller([3]);
  const [image = ''] = all;
  const images = open();
  await images.need('host');
  expect(told).toEqual([]);
  expect(await codeOf(() => images.need('bafyother'))).toBe('IMAGE_UNKNOWN');
  await Promise.all([images.need(image), images.need(image)]);
  expect(told.map((text) => text.split(':').slice(0, 2).join(':').replace(image, 'it'))).toEqual([
    'info transfer: reading the image it',
    'info transfer: done reading the image it',
    'info image: serving the image it',
  ]);
  expect([await pins(), announced, await own.has(image)]).toEqual([[[image, 'image']], [image], true]);
  await removeImageFile(dir, image);
  await images.need(image);
  expect(announced).toEqual([image]);
});

it('an image that nobody takes the announcement of is served all the same, and said to be so until the end', async () => {
  const { images: all, open, told, store: own, context, stop } = await controller([3]);
  const [image = ''] = all;
  await importInto(own, small(3));
  await own.pin([image], 'image');
  let tries = 0;
  context.mesh.provide = async () => {
    tries++;
    throw new Error('nobody');
  };
  const waits = vi.spyOn(timers, 'setTimeout').mockResolvedValue(undefined);
  syncBuiltinESMExports();
  onTestFinished(() => {
    waits.mockRestore();
    syncBuiltinESMExports();
  });
  await open().offerKept();
  await expect.poll(() => told).toEqual([`info image: ${image} is not announced: nobody`]);
  stop.abort();
  await open().offerKept();
  await expect.poll(() => tries).toBe(12);
  expect(told).toHaveLength(1);
});

it('an image that takes long to read is not ready, and its reading goes on', async () => {
  withLimits(controllerNodeLimits, { imageWaitMs: 1 });
  const { images: all, open, store: own } = await controller([3]);
  const [image = ''] = all;
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const pin = own.pin.bind(own);
  vi.spyOn(own, 'pin').mockImplementation(async (...args) => {
    await held;
    return pin(...args);
  });
  const images = open();
  const late = () => images.need(image).catch((error: { code: string; message: string }) => error);
  const { code, message } = (await late()) ?? {};
  expect(code).toBe('IMAGE_NOT_READY');
  expect(message).toMatch(/is still reading the image bafy\w+/);
  // Once it is read, and is only to be pinned, the message says how much that was.
  await expect.poll(async () => (await late())?.message).toMatch(/: \d.* of /);
  release();
  withLimits(controllerNodeLimits, { imageWaitMs: 240_000 });
  await images.need(image);
});

it('a file that is damaged is said to be, and is read again for the next job', async () => {
  const { images: all, open, dir, pins } = await controller([3]);
  const [image = ''] = all;
  const images = open();
  await truncate(join(dir, `${image}.car`), 10);
  const codes = [await codeOf(() => images.need(image)), await codeOf(() => images.need(image))];
  expect(codes).toEqual(['HOME_DAMAGED', 'HOME_DAMAGED']);
  expect(await pins()).toEqual([]);
});

it('a start offers what is there or an open job needs, and lets go of the rest', async () => {
  const first = await controller([2, 3, 4, 5]);
  const [there = '', removed = '', needed = '', result = ''] = first.images;
  const next = await controller([2], [needed, result]);
  for (const cid of [there, removed, needed]) {
    await importInto(next.store, small(first.images.indexOf(cid) + 2));
    await next.store.pin([cid], 'image');
  }
  await importInto(next.store, small(5));
  await next.store.pin([result], 'runs');
  const images = next.open();
  await images.offerKept();
  expect((await next.pins()).map(([cid]) => cid).sort()).toEqual([there, needed, result].sort());
  expect(next.announced.sort()).toEqual([there, needed].sort());
  await rm(next.dir, { recursive: true });
  await images.need(needed);
  await images.need(there);
  expect(next.told).toEqual([]);
});
