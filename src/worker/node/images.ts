import { type HeldImage, ImageCache, type ObtainOptions } from '../../execution/images/cache.ts';
import { imageCacheFolder } from '../../execution/images/cache-folder.ts';
import { announce } from '../../node/artifacts/announce.ts';
import { connectReachable } from '../../node/artifacts/fetch.ts';
import { providersFound } from '../../node/artifacts/members.ts';
import { pullArtifact } from '../../node/artifacts/transfer.ts';
import type { Tell } from '../../node/node-events.ts';
import { type Transfer, tellTransfer } from '../../node/tell-transfer.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import type { TransferState } from '../../protocol/base/transfer-meter.ts';
import { knobs } from '../lending-knobs.ts';
import type { WorkerContext } from './context.ts';
import { workerNodeLimits } from './limits.ts';

/** Under this name the store keeps the blocks of images, for other workers. */
export const imagePin = 'image';
const { imageGraceSeconds, findImagePeersMs, imagePeersMax } = workerNodeLimits;

export interface FetchedImage extends TransferState {
  image: string;
}

/** The images a worker builds in: fetched from whoever has them, served to others, and ready on its disk. */
export class WorkerImages {
  readonly #context: WorkerContext;
  readonly #cache: ImageCache;
  /** Images are fetched one at a time. */
  #fetching: { image: string; transfer: Transfer } | undefined;
  /** The builds that use an image, or wait for it. */
  readonly #waiting = new Map<HeldImage, { image: string; say(text: string): void }>();

  constructor(context: WorkerContext, bytesMax: number = knobs.imageBytes.default) {
    this.#context = context;
    const { dir, store, signal } = context;
    this.#cache = new ImageCache({
      dir: imageCacheFolder(dir),
      bytesMax,
      store,
      signal,
      source: {
        obtain: (image, options) => this.#obtain(image, options),
        discard: (image) => this.#discard(image),
        share: (image, tree) => store.link(image, tree, { rules: 'image', signal }),
      },
    });
  }

  /** Removes what a crash left, and offers the images there are to others again. */
  async announceReady(): Promise<void> {
    const { store, mesh, signal, tell } = this.#context;
    try {
      await this.#cache.sweep();
      const ready = new Set(await this.#cache.images());
      const pinned = (await store.pins()).filter(({ names }) => names.includes(imagePin));
      for (const { root } of pinned) {
        if (ready.has(root)) await announce(mesh, root, signal);
        else await store.unpin(root, imagePin);
      }
    } catch (error) {
      if (!signal.aborted) tell('warn', 'images', `images: ${messageOf(error)}`);
    }
  }

  /** As `ImageCache.makeAnew`. */
  makeAnew(trees: readonly string[]): Promise<void> {
    return this.#cache.makeAnew(trees);
  }

  /** The image that is being fetched, and how far that is; null while none is. */
  get fetching(): FetchedImage | null {
    if (this.#fetching === undefined) return null;
    const { image, transfer } = this.#fetching;
    return { image, ...(transfer.state ?? { bytes: 0, total: null, bytesPerSecond: null }) };
  }

  /** @param say told how far the image is, while it is fetched */
  use(image: string, signal: AbortSignal, say: (text: string) => void): HeldImage {
    const used = this.#cache.use(image, signal);
    const held: HeldImage = {
      ...used,
      release: async () => {
        this.#waiting.delete(held);
        await used.release();
      },
    };
    this.#waiting.set(held, { image, say });
    return held;
  }

  /** Tells the builds that wait: when it begins, from time to time, and when it ends. */
  #teller(image: string): Tell {
    let last = Number.NEGATIVE_INFINITY;
    return (level, kind, says, data) => {
      this.#context.tell(level, kind, says, data);
      const now = performance.now();
      if (data?.state === 'running' && now - last < workerNodeLimits.imageSayMs) return;
      last = now;
      for (const one of this.#waiting.values()) if (one.image === image) one.say(says);
    };
  }

  async #obtain(image: string, { maxBytes, signal, onProgress }: ObtainOptions): Promise<void> {
    const { store, mesh, tell } = this.#context;
    if (!(await store.has(image, signal))) {
      tell('info', 'image', `fetching the image ${image}`, { image });
      const from = await this.#providers(image, signal);
      await tellTransfer(this.#teller(image), { verb: 'fetching', image }, async (transfer) => {
        this.#fetching = { image, transfer };
        const progress = (bytes: number, total: number | undefined): void => {
          transfer.progress(bytes, total);
          onProgress(bytes);
        };
        await pullArtifact(this.#context, image, { from, signal, maxBytes, onProgress: progress });
      }).finally(() => {
        this.#fetching = undefined;
      });
    }
    await store.pin([image], imagePin);
    announce(mesh, image, signal).catch((error: unknown) => {
      if (!signal.aborted) tell('warn', 'image', `${image} is not announced: ${messageOf(error)}`);
    });
  }

  /** Other workers that have it, and the controller, which has every image of its project. */
  async #providers(image: string, signal: AbortSignal): Promise<string[]> {
    const { mesh, credentials, key } = this.#context;
    const found = new Map(credentials.membership.controllers.map((peer) => [peer.id, peer]));
    const limit = AbortSignal.any([signal, AbortSignal.timeout(findImagePeersMs)]);
    for (const peer of await providersFound(mesh, image, { signal: limit, max: imagePeersMax }))
      if (peer.id !== key.id) found.set(peer.id, peer);
    signal.throwIfAborted();
    return connectReachable(mesh, [...found.values()]);
  }

  async #discard(image: string): Promise<void> {
    const { store } = this.#context;
    await store.unpin(image, imagePin);
    await store.collect({ graceSeconds: imageGraceSeconds });
  }
}
