import { setTimeout as sleep } from 'node:timers/promises';
import { hasImageFile, imagesFolder, readImageFile } from '../../execution/images/files.ts';
import { announce } from '../../node/artifacts/announce.ts';
import { type Transfer, tellTransfer } from '../../node/tell-transfer.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { transferText } from '../../protocol/base/transfer-meter.ts';
import type { ControllerContext } from './context.ts';
import { controllerNodeLimits } from './limits.ts';

/** Under this name the store keeps images. */
const pin = 'image';

/** The images of a project's jobs: taken in from the owner's folder when first asked for, then served like any artifact. */
export class ControllerImages {
  readonly #context: ControllerContext;
  readonly #ready = new Set<string>();
  readonly #taking = new Map<string, Promise<void>>();
  readonly #transfers = new Map<string, Transfer>();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** Offers what an earlier start took in; lets go of what the owner has removed since and no open job needs. */
  async offerKept(): Promise<void> {
    const { store, machine, folder } = this.#context;
    const open = [...machine.state.index.open.values()];
    for (const { root, names } of await store.pins()) {
      if (!names.includes(pin)) continue;
      const needed = open.some(({ job }) => job.image === root);
      if (!needed && !hasImageFile(imagesFolder(folder.dir), root)) await store.unpin(root, pin);
      else this.#offer(root);
    }
  }

  /** Ends when workers can get the image of a job from here. @throws IMAGE_UNKNOWN, IMAGE_NOT_READY, HOME_DAMAGED */
  async need(image: string): Promise<void> {
    if (image === 'host' || this.#ready.has(image)) return;
    const dir = imagesFolder(this.#context.folder.dir);
    if (!hasImageFile(dir, image))
      throw new QuorateError('IMAGE_UNKNOWN', `the controller does not have the image ${image}`, {
        hint: 'The owner brings it where the controller runs: quorate image build, or quorate image import.',
      });
    const taking =
      this.#taking.get(image) ?? this.#take(dir, image).finally(() => this.#taking.delete(image));
    this.#taking.set(image, taking);
    const late = sleep(controllerNodeLimits.imageWaitMs, true, { ref: false });
    if (!(await Promise.race([taking.then(() => false), late]))) return;
    const state = this.#transfers.get(image)?.state;
    const howFar = state === undefined ? '' : `: ${transferText(state)}`;
    throw new QuorateError('IMAGE_NOT_READY', `the controller is still reading the image ${image}${howFar}`, {
      hint: 'Publish the job again in a moment.',
    });
  }

  async #take(dir: string, image: string): Promise<void> {
    const { store, tell } = this.#context;
    await tellTransfer(tell, { verb: 'reading', image }, async (transfer) => {
      this.#transfers.set(image, transfer);
      const onProgress = (bytes: number, total: number): void => transfer.progress(bytes, total);
      await readImageFile(store, dir, image, { signal: this.#context.closing, onProgress });
      await store.pin([image], pin);
    }).finally(() => this.#transfers.delete(image));
    tell('info', 'image', `serving the image ${image}`, { image });
    this.#offer(image);
  }

  #offer(image: string): void {
    const { mesh, tell } = this.#context;
    this.#ready.add(image);
    announce(mesh, image, this.#context.closing).catch((error: unknown) => {
      // Workers ask the controller even so.
      if (!this.#context.closing.aborted)
        tell('info', 'image', `${image} is not announced: ${messageOf(error)}`);
    });
  }
}
