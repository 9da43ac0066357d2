import { addAbortListener } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SandboxImage } from '../../../sandbox/index.ts';
import { makeErofs } from '../../image/index.ts';
import { makePrivate, syncFileSystem } from '../../node/files.ts';
import { rawCode } from '../../protocol/base/car.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import { sizeText } from '../../protocol/base/quantity.ts';
import type { Store } from '../../store/index.ts';
import {
  evictedPrefix,
  evictImage,
  isAbandoned,
  listNames,
  readyImages,
  scratchName,
  UseMarker,
} from './cache-folder.ts';
import { imageCacheLimits } from './limits.ts';
import { checkImageRequirements } from './requirements.ts';

/** How an image is obtained. `maxBytes` bounds its blocks. */
export interface ObtainOptions {
  maxBytes: number;
  signal: AbortSignal;
  onProgress(bytes: number): void;
}

export interface ImageSource {
  /** Resolves when all blocks of an image are in the public area. Reports the bytes present so far. */
  obtain(image: string, options: ObtainOptions): Promise<void>;
  /** The blocks of an image are not needed any more. */
  discard(image: string): Promise<void>;
  /** May keep blocks in the files of an image, which are synced, and moved afterwards. Returns the bytes that are not copied. */
  share?(image: string, tree: string): Promise<number>;
}

export interface ImageCacheOptions {
  dir: string;
  /** Maximum size of all images in all forms, blocks included. */
  bytesMax: number;
  store: Store;
  source: ImageSource;
  /** Ends the preparation of images. */
  signal: AbortSignal;
}

/** An image in use by a build. It is not evicted before `release`. */
export interface HeldImage extends SandboxImage {
  release(): Promise<void>;
}

type Form = 'tree' | 'image.erofs';

const neverFits = new Set([
  'STORE_TREE_TOO_LARGE',
  'STORE_TREE_TOO_MANY_BLOCKS',
  'STORE_TREE_TOO_MANY_ENTRIES',
]);
/** Permanent errors of an image: its content cannot change under the same CID. */
const neverBuildable = new Set(['IMAGE_UNFIT', ...neverFits]);
/** Files are counted in blocks of this size, as they take up on disk. */
const diskBlock = 4096;
/** Prefix of images in preparation, or left by a crash. */
const unfinishedPrefix = '.new-';

/**
 * A cache of images ready for builds: `<dir>/<cid>/tree` and `image.erofs`. A file or folder with its final name is complete. The
 * least recently used image is evicted first. Several processes may share one folder.
 */
export class ImageCache {
  readonly #options: ImageCacheOptions;
  readonly #making = new Map<string, Promise<void>>();
  /** Unusable images and their errors, so that they are not fetched again by this process. */
  readonly #refused = new Map<string, unknown>();
  readonly #inTurn = oneByOne();
  /** Images whose files are damaged, while builds use them. */
  readonly #damaged = new Set<string>();

  constructor(options: ImageCacheOptions) {
    this.#options = options;
  }

  /** Removes leftovers of a crash, but not files of living processes. */
  async sweep(): Promise<void> {
    for (const name of await listNames(this.#options.dir))
      if (isAbandoned(name, unfinishedPrefix) || isAbandoned(name, evictedPrefix))
        await rm(join(this.#options.dir, name), { recursive: true, force: true });
  }

  /** CIDs of images that are ready in at least one form. */
  async images(): Promise<string[]> {
    return (await readyImages(this.#options.dir)).map(({ image }) => image);
  }

  /** Marks an image as used. `signal` ends waiting for it, not its preparation, which others may share. */
  use(image: string, signal: AbortSignal): HeldImage {
    const user = new UseMarker(join(this.#options.dir, image));
    const ready = async (form: Form): Promise<string> => {
      for (;;) {
        const path = join(this.#options.dir, image, form);
        // The mark is a new entry of the folder, whose time says when the image was used.
        if ((await user.hold()) && existsSync(path)) return path;
        await waiting(this.#make(image, form), signal);
      }
    };
    return {
      cid: image,
      directory: () => ready('tree'),
      erofs: () => ready('image.erofs'),
      release: async () => {
        await user.release();
        await this.#evictDamaged();
      },
    };
  }

  /** The disk has changed blocks of these trees: images among them are made anew, once no build uses them. */
  async makeAnew(trees: readonly string[]): Promise<void> {
    for (const tree of trees) this.#damaged.add(tree);
    await this.#evictDamaged();
  }

  async #evictDamaged(): Promise<void> {
    const { dir } = this.#options;
    for (const image of this.#damaged)
      if (!existsSync(join(dir, image)) || (await evictImage(dir, image))) this.#damaged.delete(image);
  }

  /** Shares one preparation per image and form among all callers. */
  #make(image: string, form: Form): Promise<void> {
    const key = `${image} ${form}`;
    const making =
      this.#making.get(key) ?? this.#makeNow(image, form).finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    making.catch(() => {});
    return making;
  }

  /** Prepares images one after the other, so that each is counted before space for the next is made. */
  #makeNow(image: string, form: Form): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#refused.has(image)) throw this.#refused.get(image);
      try {
        await makePrivate(dirname(this.#options.dir));
        await mkdir(this.#options.dir, { recursive: true, mode: 0o755 });
        await this.#obtain(image);
        await this.#makeObtained(image, form);
      } catch (error) {
        if (neverBuildable.has(codeOf(error))) this.#refuse(image, error);
        throw error;
      }
    });
  }

  #refuse(image: string, error: unknown): void {
    const [oldest] = this.#refused.keys();
    if (this.#refused.size >= imageCacheLimits.refusedMax && oldest !== undefined)
      this.#refused.delete(oldest);
    this.#refused.set(image, error);
  }

  /** Obtains an image and evicts others meanwhile, so that the total exceeds the limit by one step at most. */
  async #obtain(image: string): Promise<void> {
    const { source, bytesMax, signal } = this.#options;
    const full = new AbortController();
    let [roomFor, making]: [number, Promise<void>] = [0, Promise.resolve()];
    const onProgress = (bytes: number): void => {
      if (bytes <= roomFor) return;
      roomFor = bytes + imageCacheLimits.roomStepBytes;
      making = making.then(() => this.#makeRoom(image, bytes)).catch((error) => full.abort(error));
    };
    try {
      const stop = AbortSignal.any([signal, full.signal]);
      await source.obtain(image, { maxBytes: bytesMax, signal: stop, onProgress });
    } catch (error) {
      // Blocks already received are kept for another attempt, unless the image can never fit.
      if (neverFits.has(codeOf(error))) await source.discard(image);
      if (full.signal.aborted) throw full.signal.reason;
      throw error;
    } finally {
      await making;
    }
  }

  async #makeObtained(image: string, form: Form): Promise<void> {
    try {
      await this.#write(image, form);
    } catch (error) {
      // Otherwise jobs with unusable images would fill the disk with their blocks.
      const isNeeded = (['tree', 'image.erofs'] as const).some((one) => {
        const isMade = one !== form && this.#making.has(`${image} ${one}`);
        return isMade || existsSync(join(this.#options.dir, image, one));
      });
      if (!isNeeded) await this.#options.source.discard(image);
      throw error;
    }
  }

  async #write(image: string, form: Form): Promise<void> {
    const { dir, store, source, signal } = this.#options;
    await checkImageRequirements(store, image);
    const blocks = await this.#blockBytes(image);
    let files = 0;
    for await (const { kind, size } of store.list(image, { rules: 'image', signal }))
      files += kind === 'dir' ? diskBlock : Math.ceil(size / diskBlock) * diskBlock;
    await this.#makeRoom(image, blocks + files);
    const scratch = await mkdtemp(join(dir, scratchName(unfinishedPrefix)));
    try {
      const made = join(scratch, form);
      if (form === 'tree') {
        await store.exportDirectory(image, made, { rules: 'image', readable: true, signal });
      } else await makeErofs(store.exportTar(image, { rules: 'image', signal }), made, signal);
      // The content is not verified again, so it must be on disk before it gets its final name.
      await syncFileSystem(made, signal);
      const shared = form === 'tree' ? ((await source.share?.(image, made)) ?? 0) : 0;
      await mkdir(join(dir, image), { recursive: true, mode: 0o755 });
      const size = form === 'tree' ? files : (await stat(made)).size;
      await writeFile(join(dir, image, `${form}.bytes`), String(size));
      const note = join(dir, image, 'blocks.bytes');
      // Another form may share them already.
      if (form === 'tree' || !existsSync(note)) await writeFile(note, String(Math.max(0, blocks - shared)));
      const ready = join(dir, image, form);
      await rename(made, ready).catch((error: unknown) => {
        // Another process has prepared the same content.
        if (!existsSync(ready)) throw error;
      });
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  /** Size of all blocks, measured, not as declared by the image. */
  async #blockBytes(image: string): Promise<number> {
    const { blocks } = this.#options.store;
    const todo = [blocks.parse(image)];
    const seen = new Set([image]);
    let bytes = 0;
    for (let cid = todo.pop(); cid !== undefined; cid = todo.pop()) {
      bytes += blocks.touch(cid) ?? 0;
      if (cid.code === rawCode) continue;
      for (const link of blocks.links(cid, await blocks.read(cid))) {
        const name = link.toString();
        if (seen.has(name)) continue;
        seen.add(name);
        todo.push(link);
      }
    }
    return bytes;
  }

  /** @throws IMAGE_TOO_LARGE */
  async #makeRoom(image: string, wanted: number): Promise<void> {
    const { dir, bytesMax } = this.#options;
    const kept = await readyImages(dir);
    let total = kept.reduce((sum, { bytes }) => sum + bytes, wanted);
    for (const { image: other, bytes } of kept) {
      if (total <= bytesMax) return;
      if (other !== image && (await this.#evict(other))) total -= bytes;
    }
    if (total <= bytesMax) return;
    const error = new QuorateError(
      'IMAGE_TOO_LARGE',
      `the image ${image} needs ${sizeText(wanted)}; the limit for images is ${sizeText(bytesMax)}, and builds use ${sizeText(total - wanted)} of it`,
      { hint: 'Make the image smaller, or raise the limit: images under [lend] in worker.toml.' },
    );
    if (wanted > bytesMax) this.#refuse(image, error);
    throw error;
  }

  async #evict(image: string): Promise<boolean> {
    const { dir, source } = this.#options;
    if (!(await evictImage(dir, image))) return false;
    await source.discard(image);
    return true;
  }
}

async function waiting(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const stopped = Promise.withResolvers<never>();
  const listening = addAbortListener(signal, () => stopped.reject(signal.reason));
  try {
    await Promise.race([work, stopped.promise]);
  } finally {
    listening[Symbol.dispose]();
  }
}
