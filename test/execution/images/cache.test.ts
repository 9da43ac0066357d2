import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { decode, encode } from '@ipld/dag-pb';
import { CID } from 'multiformats/cid';
import { sha256 } from 'multiformats/hashes/sha2';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ImageCache, type ObtainOptions } from '../../../src/execution/images/cache.ts';
import { evictImage, readyImages, restoreImage } from '../../../src/execution/images/cache-folder.ts';
import { imageCacheLimits } from '../../../src/execution/images/limits.ts';
import { readImage } from '../../../src/image/index.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { until } from '../../e2e/support/wait.ts';
import {
  dir,
  file,
  type LayerEntry,
  layoutOf,
  link,
  newStore,
  scratch,
  tarOf,
  writeLayoutTo,
} from '../../image/support.ts';
import { smallSystem } from '../../image/system.ts';
import { diskBytes } from '../../support/disk-bytes.ts';
import { withLimits } from '../../support/with-limits.ts';

let store: Store;
let images: string[];
const signal = AbortSignal.timeout(120_000);

async function imported(entries: readonly LayerEntry[]): Promise<string> {
  const at = await mkdtemp(join(tmpdir(), 'quorate-test-'));
  try {
    const layout = await layoutOf([entries]);
    await writeLayoutTo(layout, join(at, 'in'));
    const tar = await readImage(join(at, 'in'), { scratch: at, signal, arch: 'x86_64' });
    return (await store.importTar(tar, { into: store.public, rules: 'image' })).root;
  } finally {
    await rm(at, { recursive: true, force: true });
  }
}

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-test-'));
  store = await openStore({ dir });
  const system = smallSystem();
  images = [];
  for (const name of ['a', 'b', 'c'])
    images.push(await imported([...system, file(`usr/${name}`, name.repeat(100)), link('abs', '/usr')]));
  return async () => {
    await store.close();
    await rm(dir, { recursive: true, force: true });
  };
});

interface Opened {
  cache: ImageCache;
  dir: string;
  obtained: string[];
  discard: string[];
}

async function open(
  bytesMax = 1e9,
  dir?: string,
  arrive: (image: string, options: ObtainOptions) => unknown = () => {},
): Promise<Opened> {
  const at = dir ?? join(await scratch(), 'cache');
  const opened = { dir: at, obtained: [] as string[], discard: [] as string[] };
  const cache = new ImageCache({
    dir: at,
    bytesMax,
    store,
    signal,
    source: {
      obtain: async (image, options) => {
        opened.obtained.push(image);
        await arrive(image, options);
      },
      discard: async (image) => void opened.discard.push(image),
    },
  });
  return { cache, ...opened };
}

const [first, second, third] = [0, 1, 2].map((n) => () => images[n] ?? '') as [
  () => string,
  () => string,
  () => string,
];

describe('an image is made ready', () => {
  it('once, however many builds want it at the same time', async () => {
    const { cache, obtained, dir } = await open();
    const used = Array.from({ length: 5 }, () => cache.use(first(), signal));
    const paths = new Set(await Promise.all(used.map((one) => one.directory())));
    expect([...paths]).toEqual([join(dir, first(), 'tree')]);
    expect(obtained).toEqual([first()]);
    expect(await readFile(join(dir, first(), 'tree', 'usr', 'a'), 'utf8')).toBe('a'.repeat(100));
  });

  it('by the process that is first; one that cannot be put in its place is none', async () => {
    const dir = join(await scratch(), 'cache');
    let meanwhile = async (_tree: string): Promise<void> => {};
    const share = async (_image: string, tree: string) => {
      await meanwhile(tree);
      meanwhile = async () => {};
      return 0;
    };
    const source = { obtain: async () => {}, discard: async () => {}, share };
    const cache = new ImageCache({ dir, bytesMax: 1e9, store, signal, source });
    meanwhile = (tree) => rm(tree, { recursive: true });
    await expect(cache.use(first(), signal).directory()).rejects.toMatchObject({ code: 'ENOENT' });
    const own = join(dir, first(), 'tree', 'made elsewhere');
    meanwhile = async () => void (await mkdir(own, { recursive: true }));
    await cache.use(first(), signal).directory();
    expect(existsSync(own)).toBe(true);
  });

  it('in little more room than its own size, with the blocks for others, and counts no more', async () => {
    const dir = await scratch();
    const own = await openStore({ dir: join(dir, 'store') });
    onTestFinished(() => own.close());
    const source = {
      obtain: async (image: string) => {
        await own.importTar(store.exportTar(image, { rules: 'image' }), { into: own.public, rules: 'image' });
        await own.pin([image], 'image');
        // Files that an import leaves behind do not come to a worker.
        await own.collect({ graceSeconds: -1 });
      },
      discard: async (image: string) => {
        await own.unpin(image);
        await own.collect({ graceSeconds: -1 });
      },
      share: (image: string, tree: string) => own.link(image, tree, { rules: 'image' }),
    };
    const options = { dir: join(dir, 'cache'), bytesMax: 1e9, store: own, signal, source };
    const held = new ImageCache(options).use(first(), signal);
    const size = diskBytes(await held.directory());
    await held.release();
    const both = diskBytes(options.dir, join(dir, 'store'));
    expect(both).toBeLessThan(1.3 * size);
    const [ready] = await readyImages(options.dir);
    expect(ready?.bytes).toBeLessThan(1.3 * size);
    // Others get every byte of it.
    const other = await newStore();
    const { root } = await other.importTar(own.exportTar(first(), { rules: 'image' }), {
      into: other.public,
      rules: 'image',
    });
    expect(root).toBe(first());
    await evictImage(options.dir, first());
    await source.discard(first());
    expect(diskBytes(options.dir, join(dir, 'store'))).toBeLessThan(1_000_000);
  });

  it('in a home that nobody else may look into, where it is the first to come there', async () => {
    const home = join(await scratch(), 'home');
    const { cache } = await open(1e9, join(home, 'image-cache'));
    await cache.use(first(), signal).directory();
    expect((await stat(home)).mode & 0o777).toBe(0o700);
  });

  it('readable for everybody, whatever mask the worker has', async () => {
    const before = process.umask(0o077);
    onTestFinished(() => void process.umask(before));
    const { cache } = await open();
    const path = await cache.use(first(), signal).directory();
    const modes = await Promise.all(
      ['', 'usr', 'usr/bin/tar', 'usr/a'].map((name) => stat(join(path, name))),
    );
    expect(modes.map(({ mode }) => mode & 0o777)).toEqual([0o755, 0o755, 0o755, 0o644]);
  });

  it('as a file system too, the same bytes each time', async () => {
    const hashes = [];
    for (const { cache } of [await open(), await open()]) {
      const bytes = await readFile(await cache.use(first(), signal).erofs());
      hashes.push(createHash('sha256').update(bytes).digest('hex'));
    }
    expect(hashes[0]).toBe(hashes[1]);
  });

  it('as it was made before, also by a worker that has ended', async () => {
    const { cache, dir } = await open();
    const path = await cache.use(first(), signal).directory();
    const made = await stat(path);
    const again = await open(1e9, dir);
    const held = again.cache.use(first(), signal);
    expect(await held.directory()).toBe(path);
    const { ino, mtimeMs } = await stat(path);
    expect({ ino, mtimeMs }).toEqual({ ino: made.ino, mtimeMs: made.mtimeMs });
    await held.release();
    expect(again.obtained).toEqual([]);
  });

  it('anew after a crash half way', async () => {
    const { cache, dir } = await open();
    // No process has such a number (PID_MAX_LIMIT).
    const left = ['.new-abc', '.new-4194305-abc', '.gone-4194305-abc'];
    const used = [`.gone-${process.ppid}-abc`, `.new-${process.ppid}-abc`];
    for (const name of [...left, ...used]) await mkdir(join(dir, name, 'tree', 'usr'), { recursive: true });
    await mkdir(join(dir, first()), { recursive: true });
    await cache.sweep();
    expect((await readdir(dir)).sort()).toEqual([...used, first()]);
    expect(existsSync(join(await cache.use(first(), signal).directory(), 'usr/a'))).toBe(true);
  });

  it('anew where the disk changed its files, once no build uses it', async () => {
    const { cache, dir } = await open();
    const held = cache.use(first(), signal);
    const path = join(await held.directory(), 'usr/a');
    await cache.use(second(), signal).directory();
    const whole = await readFile(path, 'utf8');
    await writeFile(path, 'damaged');
    await cache.makeAnew([first(), 'of no image']);
    expect(await readFile(path, 'utf8')).toBe('damaged');
    await held.release();
    expect((await readdir(dir)).sort()).toEqual([second()]);
    expect(await readFile(join(await cache.use(first(), signal).directory(), 'usr/a'), 'utf8')).toBe(whole);
  });

  it('no longer waited for by a build that was cancelled', async () => {
    const stop = new AbortController();
    const { cache } = await open();
    const waiting = cache.use(first(), stop.signal).directory();
    stop.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
    await cache.use(first(), signal).directory();
  });
});

describe('when images take too much room', () => {
  let counted: Promise<number> | undefined;
  const roomFor = async (count: number): Promise<number> => {
    counted ??= bytesOfFirst();
    return (await counted) * count;
  };
  async function bytesOfFirst(): Promise<number> {
    const { cache, dir } = await open();
    await cache.use(first(), signal).directory();
    const notes = (await readdir(join(dir, first()))).filter((name) => name.endsWith('.bytes'));
    const sizes = await Promise.all(notes.map((name) => readFile(join(dir, first(), name), 'utf8')));
    return sizes.reduce((sum, text) => sum + Number(text), 0);
  }
  const past = (dir: string, image: string, seconds: number) => {
    const at = Date.now() / 1000 - seconds;
    return utimes(join(dir, image), at, at);
  };

  it('the one used longest ago goes, and none that a build uses', async () => {
    const { cache, dir, discard } = await open(await roomFor(2));
    for (const image of [first(), second()]) {
      const held = cache.use(image, signal);
      await held.directory();
      await held.release();
    }
    await past(dir, second(), 100);
    const held = cache.use(third(), signal);
    await held.directory();
    expect((await readdir(dir)).sort()).toEqual([first(), third()].sort());
    expect(discard).toEqual([second()]);
    await past(dir, third(), 200);
    await cache.use(second(), signal).directory();
    expect((await readdir(dir)).sort()).toEqual([second(), third()].sort());
    await expect(cache.use(first(), signal).directory()).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    await held.release();
    await cache.use(first(), signal).directory();
    expect((await readdir(dir)).sort()).toEqual([first(), second()].sort());
  });

  it('one that another process uses stays while that is alive', async () => {
    const { cache, dir } = await open(await roomFor(1));
    const held = cache.use(first(), signal);
    await held.directory();
    await held.release();
    const other = spawn('sleep', ['60']);
    onTestFinished(() => void other.kill());
    await writeFile(join(dir, first(), `using-${other.pid}-x`), '');
    await expect(cache.use(second(), signal).directory()).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    other.kill();
    await once(other, 'exit');
    await cache.use(second(), signal).directory();
    expect(await readdir(dir)).toEqual([second()]);
  });

  it('one that is larger than all of it is refused, and nothing of it stays', async () => {
    const { cache, dir, discard } = await open((await roomFor(1)) - 1);
    await expect(cache.use(first(), signal).directory()).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect({ left: await readdir(dir), discard }).toEqual({ left: [], discard: [first()] });
  });

  it('one whose maker says that it is small counts as what it takes', async () => {
    const { blocks } = store;
    const node = decode(await blocks.read(blocks.parse(first())));
    const bytes = encode({ ...node, Links: node.Links.map((link) => ({ ...link, Tsize: 0 })) });
    const cid = CID.createV1(0x70, await sha256.digest(bytes));
    await blocks.put(cid, bytes);
    const { cache, dir } = await open();
    const [honest, liar] = [first(), cid.toString()];
    for (const image of [honest, liar]) await cache.use(image, signal).directory();
    const counted = async (image: string) => Number(await readFile(join(dir, image, 'blocks.bytes'), 'utf8'));
    const saved = node.Links.length * 8;
    expect(Math.abs((await counted(honest)) - (await counted(liar)))).toBeLessThan(saved);
  });

  it('one that turns out too large on its way leaves nothing', async () => {
    const { cache, discard } = await open(1e9, undefined, (image) => {
      throw new QuorateError('STORE_TREE_TOO_LARGE', `the tree ${image} is over 1000000000 bytes`);
    });
    await expect(cache.use(first(), signal).directory()).rejects.toMatchObject({
      code: 'STORE_TREE_TOO_LARGE',
    });
    expect(discard).toEqual([first()]);
  });

  it('one that cannot be used here is not fetched for the next job again', async () => {
    const { cache, obtained } = await open(1_000_000);
    const tooLarge = { code: 'IMAGE_TOO_LARGE' };
    await expect(cache.use(first(), signal).directory()).rejects.toMatchObject(tooLarge);
    await expect(cache.use(first(), signal).directory()).rejects.toMatchObject(tooLarge);
    await expect(cache.use(first(), signal).erofs()).rejects.toMatchObject(tooLarge);
    expect(obtained).toEqual([first()]);
  });

  it('so many of those are remembered', async () => {
    withLimits(imageCacheLimits, { refusedMax: 1 });
    const { cache, obtained } = await open(1_000_000);
    for (const image of [first(), second(), second(), first()])
      await expect(cache.use(image, signal).directory()).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(obtained).toEqual([first(), second(), first()]);
  });

  it('files and folders count in blocks of the disk', async () => {
    const { cache, dir: at } = await open();
    const more = [dir('usr/x'), file('usr/y', 'x'.repeat(4096)), file('usr/z', 'x'.repeat(4097))];
    const larger = await imported([...smallSystem(), file('usr/a', 'a'), link('abs', '/usr'), ...more]);
    const counted = async (image: string) => {
      await cache.use(image, signal).directory();
      return Number(await readFile(join(at, image, 'tree.bytes'), 'utf8'));
    };
    expect((await counted(larger)) - (await counted(first()))).toBe(4096 + 4096 + 8192);
  });

  it('room is made for a step more than has come, and again once that has come too', async () => {
    const size = await roomFor(1);
    withLimits(imageCacheLimits, { roomStepBytes: size + 10 });
    const seen: boolean[] = [];
    const { cache, dir: at } = await open(2 * size, undefined, async (image, { onProgress }) => {
      if (image !== third()) return;
      onProgress(1);
      await until('room', () => !existsSync(join(at, first())));
      onProgress(size + 11);
      // Others need less than ten of these to go.
      for (let step = 0; step < 200; step++) await stat(tmpdir());
      seen.push(existsSync(join(at, second())));
      onProgress(size + 12);
      await until('more room', () => !existsSync(join(at, second())));
    });
    for (const [ago, image] of [first(), second()].entries()) {
      const held = cache.use(image, signal);
      await held.directory();
      await held.release();
      await past(at, image, 200 - ago);
    }
    await cache.use(third(), signal).directory();
    expect(seen).toEqual([true]);
  });

  it('the other form of one that a build uses stays, with its blocks, where there is no room for this one', async () => {
    const { cache, dir: at, discard } = await open(await roomFor(1));
    const held = cache.use(first(), signal);
    await held.directory();
    await expect(held.erofs()).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect([discard, existsSync(join(at, first(), 'tree'))]).toEqual([[], true]);
  });

  it('blocks that are files of the tree are not counted again by the next form', async () => {
    const at = join(await scratch(), 'cache');
    const shared = 1_000;
    const cache = new ImageCache({
      dir: at,
      bytesMax: 1e9,
      store,
      signal,
      source: { obtain: async () => {}, discard: async () => {}, share: async () => shared },
    });
    const blocks = async () => Number(await readFile(join(at, first(), 'blocks.bytes'), 'utf8'));
    const { directory, erofs } = cache.use(first(), signal);
    const all = await open();
    await all.cache.use(first(), signal).directory();
    await directory();
    const whole = Number(await readFile(join(all.dir, first(), 'blocks.bytes'), 'utf8'));
    expect(await blocks()).toBe(whole - shared);
    await erofs();
    expect(await blocks()).toBe(whole - shared);
  });

  it('only one comes at a time', async () => {
    let [now, most] = [0, 0];
    const { cache } = await open(1e9, undefined, async () => {
      now += 1;
      most = Math.max(most, now);
      // The others need less than ten of these before they would come too.
      for (let step = 0; step < 200; step++) await stat(tmpdir());
      now -= 1;
    });
    await Promise.all([first(), second(), third()].map((image) => cache.use(image, signal).directory()));
    expect(most).toBe(1);
  });

  it('others give way while one comes, and it comes no further where they cannot', async () => {
    const room = await roomFor(1);
    let comes = room / 2;
    const stopped: boolean[] = [];
    const { cache, dir } = await open(room, undefined, async (image, { onProgress, signal: stop }) => {
      if (image !== second()) return;
      onProgress(comes);
      const told = () => stop.aborted || !existsSync(join(dir, first()));
      await until('room or the end', told);
      stopped.push(stop.aborted);
      stop.throwIfAborted();
    });
    const held = cache.use(first(), signal);
    await held.directory();
    await expect(cache.use(second(), signal).directory()).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(await readdir(dir)).toEqual([first()]);
    await held.release();
    comes = room / 3;
    await cache.use(second(), signal).directory();
    expect(stopped).toEqual([true, false]);
    expect(await readdir(dir)).toEqual([second()]);
  });

  it('one that was used after all is put back, also where it is being made again already', async () => {
    const { cache, dir } = await open();
    await cache.use(first(), signal).directory();
    const [gone, path] = [join(dir, '.gone-x'), join(dir, first())];
    await rename(path, gone);
    await mkdir(join(path, 'image.erofs'), { recursive: true });
    await writeFile(join(path, 'blocks.bytes'), '1');
    await restoreImage(gone, path);
    expect((await readdir(path)).sort()).toEqual(
      expect.arrayContaining(['blocks.bytes', 'image.erofs', 'tree', 'tree.bytes']),
    );
    expect(await readdir(join(path, 'tree'))).toContain('usr');
  });

  it('a folder that cannot be read, or put back, is an error, and one that is not there has no images', async () => {
    const at = await scratch();
    expect(await readyImages(join(at, 'none'))).toEqual([]);
    await writeFile(join(at, 'file'), '');
    await expect(readyImages(join(at, 'file'))).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(restoreImage(join(at, 'none'), join(at, 'to'))).rejects.toMatchObject({ code: 'ENOENT' });
    await mkdir(join(at, 'cache'));
    expect(await evictImage(join(at, 'cache'), 'none')).toBe(true);
    expect(await readdir(join(at, 'cache'))).toEqual([]);
  });

  it('two that are made at the same time count both', async () => {
    const { cache, dir } = await open(await roomFor(1));
    const both = [first(), second()].map((image) => cache.use(image, signal).directory());
    const codes = (await Promise.allSettled(both)).map((one) =>
      one.status === 'rejected' ? (one.reason as { code: string }).code : 'ready',
    );
    expect(codes.sort()).toEqual(['IMAGE_TOO_LARGE', 'ready']);
    expect((await readdir(dir)).length).toBe(1);
  });
});

describe('a tree that is no image is refused before anything of it is used:', () => {
  it.each<[what: string, change: (entries: LayerEntry[]) => void, code: string]>([
    ['a source', (all) => all.splice(0, all.length, file('Makefile', 'all:')), 'IMAGE_UNFIT'],
    ['its /etc leads elsewhere', (all) => void all.push(link('etc', '../../../../etc')), 'IMAGE_UNFIT'],
    ['its /etc/passwd leads elsewhere', (all) => void all.push(link('etc/passwd', '../../x')), 'IMAGE_UNFIT'],
    ['its /build is a file', (all) => void all.push(file('build')), 'IMAGE_UNFIT'],
    ['its /tmp is a folder', (all) => void all.push({ name: 'tmp', type: 'directory' }), 'IMAGE_UNFIT'],
    [
      'it has no shell',
      (all) => void all.splice(0, all.length, ...all.filter(({ name }) => name !== 'usr/bin/dash')),
      'IMAGE_UNFIT',
    ],
  ])('%s', async (_, change, code) => {
    // As a stranger makes one: by hand, not by our own import.
    const places: LayerEntry[] = [
      ...['build', 'dev', 'etc', 'proc', 'run', 'sys'].map((name) => ({ name, type: 'directory' as const })),
      ...['group', 'hosts', 'nsswitch.conf', 'passwd'].map((name) => file(`etc/${name}`)),
      link('tmp', 'build/tmp'),
    ];
    const added: LayerEntry[] = [...smallSystem()];
    change(added);
    const names = new Set(added.map(({ name }) => name));
    const kept =
      added.length < 5
        ? []
        : places.filter(({ name }) => !names.has(name) && !(names.has('etc') && name.startsWith('etc')));
    const tar = Readable.from([await tarOf([...kept, ...added])], { objectMode: false });
    const { root } = await store.importTar(tar, { into: store.public, rules: 'image' });
    const { cache, dir, discard } = await open();
    await expect(cache.use(root, signal).directory()).rejects.toMatchObject({ code });
    await expect(cache.use(root, signal).erofs()).rejects.toMatchObject({ code });
    // Nor do its blocks stay, with which a stranger could fill the disk.
    expect({ left: await readdir(dir), discard }).toEqual({ left: [], discard: [root] });
  });
});
