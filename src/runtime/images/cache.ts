import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SandboxImage } from '../../../sandbox/index.ts';
import { rawCode } from '../../core/car.ts';
import { codeOf, QuorateError } from '../../core/errors.ts';
import { sizeText } from '../../core/quantity.ts';
import { makeErofs } from '../../image/index.ts';
import type { Store } from '../../store/index.ts';
import { makePrivate, syncFileSystem } from '../node/files.ts';
import { evictedPrefix, evictImage, listNames, readyImages } from './cache-folder.ts';
import { imageCacheLimits } from './limits.ts';
import { checkImageRequirements } from './requirements.ts';
import { isAbandoned, scratchName, UseMarker } from './use-markers.ts';

export interface ObtainOptions {
  maxBytes: number;
  signal: AbortSignal;
  onProgress(bytes: number): void;
}

export interface ImageSource {
  /** Has all blocks of an image in the public area when it returns. Tells what is there of it, as far as it takes long. */
  obtain(image: string, options: ObtainOptions): Promise<void>;
  /** They are not needed any more. */
  discard(image: string): Promise<void>;
}

export interface ImageCacheOptions {
  dir: string;
  /** Of all images, in every form they are kept in. */
  bytesMax: number;
  store: Store;
  source: ImageSource;
  /** Ends what is being made. */
  signal: AbortSignal;
}

/** An image that a build uses. Nothing of it is given up before `release`. */
export interface HeldImage extends SandboxImage {
  release(): Promise<void>;
}

type Form = 'tree' | 'image.erofs';

/** Room is made for an image each time this much more of it has come. */
const roomStepBytes = 64 * 1024 * 1024;
/** Of a block without links (multicodec `raw`). */
const neverFits = new Set([
  'STORE_TREE_TOO_LARGE',
  'STORE_TREE_TOO_MANY_BLOCKS',
  'STORE_TREE_TOO_MANY_ENTRIES',
]);
/** What is wrong with an image stays wrong: its CID is its content. */
const neverBuildable = new Set(['IMAGE_UNFIT', 'IMAGE_LACKS_TOOL', ...neverFits]);
/** Files of a folder are counted by what they take on the disk. */
const diskBlock = 4096;
/** Names beginning like this are what a crash left. */
const unfinishedPrefix = '.new-';

/**
 * Images as builds use them: `<dir>/<cid>/tree` and `image.erofs`, each made once and then used as it lies there. What has its
 * final name is whole. The one used longest ago goes first when there is no room. Several processes may use one folder.
 */
export class ImageCache {
  readonly #options: ImageCacheOptions;
  readonly #making = new Map<string, Promise<void>>();
  /** Images that cannot be used here as long as this process runs, and why: nobody has them fetched again and again. */
  readonly #refused = new Map<string, unknown>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ImageCacheOptions) {
    this.#options = options;
  }

  /** Removes what a crash left behind; what a living process works on stays. */
  async sweep(): Promise<void> {
    for (const name of await listNames(this.#options.dir))
      if (isAbandoned(name, unfinishedPrefix) || isAbandoned(name, evictedPrefix))
        await rm(join(this.#options.dir, name), { recursive: true, force: true });
  }

  /** Those that are ready in some form. */
  async images(): Promise<string[]> {
    return (await readyImages(this.#options.dir)).map(({ image }) => image);
  }

  /** `signal` ends the waiting, not what is being made for others as well. */
  use(image: string, signal: AbortSignal): HeldImage {
    const user = new UseMarker(join(this.#options.dir, image));
    const ready = async (form: Form): Promise<string> => {
      for (;;) {
        const path = join(this.#options.dir, image, form);
        if ((await user.hold()) && existsSync(path)) {
          const now = new Date();
          // Taken away by another process in between, it is put back, or made again.
          if (await utimes(join(this.#options.dir, image), now, now).then(yes, ifThere)) return path;
        }
        await waiting(this.#make(image, form), signal);
      }
    };
    return {
      cid: image,
      directory: () => ready('tree'),
      erofs: () => ready('image.erofs'),
      release: () => user.release(),
    };
  }

  /** One at a time for each image and form, whoever asks. */
  #make(image: string, form: Form): Promise<void> {
    const key = `${image} ${form}`;
    const making =
      this.#making.get(key) ?? this.#makeNow(image, form).finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    making.catch(() => {});
    return making;
  }

  /** One image after the other: what takes room is on the disk and counted before the next looks how much there is. */
  #makeNow(image: string, form: Form): Promise<void> {
    const made = this.#turn.then(async () => {
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
    this.#turn = made.catch(() => {});
    return made;
  }

  #refuse(image: string, error: unknown): void {
    const [oldest] = this.#refused.keys();
    if (this.#refused.size >= imageCacheLimits.refusedMax && oldest !== undefined)
      this.#refused.delete(oldest);
    this.#refused.set(image, error);
  }

  /** Others give way while it comes, so that all of them are never much above the limit. */
  async #obtain(image: string): Promise<void> {
    const { source, bytesMax, signal } = this.#options;
    const full = new AbortController();
    let [roomFor, making]: [number, Promise<void>] = [0, Promise.resolve()];
    const onProgress = (bytes: number): void => {
      if (bytes <= roomFor) return;
      roomFor = bytes + roomStepBytes;
      making = making.then(() => this.#makeRoom(image, bytes)).catch((error) => full.abort(error));
    };
    try {
      const stop = AbortSignal.any([signal, full.signal]);
      await source.obtain(image, { maxBytes: bytesMax, signal: stop, onProgress });
    } catch (error) {
      // What came of it is kept where another try could go on with it.
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
      // Else whoever names images that nobody can build in would fill the disk with their blocks.
      const forms: Form[] = ['tree', 'image.erofs'];
      const isNeeded = forms.some(
        (one) =>
          existsSync(join(this.#options.dir, image, one)) ||
          (one !== form && this.#making.has(`${image} ${one}`)),
      );
      if (!isNeeded) await this.#options.source.discard(image);
      throw error;
    }
  }

  async #write(image: string, form: Form): Promise<void> {
    const { dir, store, signal } = this.#options;
    await checkImageRequirements(store, image);
    const { blocks, files } = await this.#sizeOf(image);
    await this.#makeRoom(image, blocks + files);
    const scratch = await mkdtemp(join(dir, scratchName(unfinishedPrefix)));
    try {
      const made = join(scratch, form);
      if (form === 'tree') {
        await store.exportDirectory(image, made, { rules: 'image', readable: true, signal });
      } else await makeErofs(store.exportTar(image, { rules: 'image', signal }), made, signal);
      // Nothing looks at its content again, so it must not be lost with power once it has its name.
      await syncFileSystem(made, signal);
      await mkdir(join(dir, image), { recursive: true, mode: 0o755 });
      await writeFile(
        join(dir, image, `${form}.bytes`),
        String(form === 'tree' ? files : (await stat(made)).size),
      );
      await writeFile(join(dir, image, 'blocks.bytes'), String(blocks));
      await rename(made, join(dir, image, form)).catch((error: NodeJS.ErrnoException) => {
        // Another process was faster; it is the same.
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  async #sizeOf(image: string): Promise<{ blocks: number; files: number }> {
    const { store, signal } = this.#options;
    const blocks = await this.#blockBytes(image);
    let files = 0;
    for await (const { kind, size } of store.list(image, { rules: 'image', signal }))
      files += kind === 'dir' ? diskBlock : Math.ceil(size / diskBlock) * diskBlock;
    return { blocks, files };
  }

  /** Of all blocks there are, not what their maker says of them. */
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
      `the image ${image} takes ${sizeText(wanted)} here; images may take ${sizeText(bytesMax)}, and builds use ${sizeText(total - wanted)} of that`,
      { hint: 'Make the image smaller, or lend more room: images under [lend] in worker.toml.' },
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
  const stop = () => stopped.reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

const yes = (): boolean => true;
const ifThere = (error: NodeJS.ErrnoException): boolean => {
  if (error.code === 'ENOENT') return false;
  throw error;
};
