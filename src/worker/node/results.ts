import { messageOf } from '../../protocol/base/errors.ts';
import { knobs } from '../lending-knobs.ts';
import type { Publication } from '../sessions/publication.ts';
import type { WorkerContext } from './context.ts';
import { imagePin } from './images.ts';
import { isInputPin } from './inputs.ts';

/** Under which these are kept: `trim` drops them, and no lease of its own. */
export const pinOfResults = 'results';

/** Artifacts and logs of a worker's builds, served to others while there is room for them. */
export class Results {
  readonly #context: Pick<WorkerContext, 'store' | 'bundles' | 'mesh' | 'tell'>;
  readonly #serving: Pick<Publication, 'isNew' | 'forget'>;
  readonly #bytesMax: number;

  constructor(
    context: Pick<WorkerContext, 'store' | 'bundles' | 'mesh' | 'tell'>,
    serving: Pick<Publication, 'isNew' | 'forget'>,
    bytesMax: number = knobs.resultBytes.default,
  ) {
    this.#context = context;
    this.#serving = serving;
    this.#bytesMax = bytesMax;
  }

  /** Removes the least recently requested results, each with its bundle, until the rest fits. */
  async trim(signal: AbortSignal): Promise<void> {
    const { store, bundles, mesh, tell } = this.#context;
    const gone = await store.trim({
      bytesMax: this.#bytesMax,
      // Images have a limit of their own, and inputs go with their builds.
      counts: ({ names }) => !names.includes(imagePin) && !names.some(isInputPin),
      stays: ({ root }) => this.#serving.isNew(root),
      signal,
    });
    for (const root of gone) {
      // Built again meanwhile.
      if (this.#serving.isNew(root)) continue;
      this.#serving.forget(root);
      await bundles.dropArtifact(root);
      await mesh
        .unprovide(root)
        .catch((error) => tell('warn', 'results', `${root} stays announced: ${messageOf(error)}`));
    }
    if (gone.length > 0)
      tell('info', 'results', `removes the ${gone.length} least recently requested results and logs`, {
        roots: gone,
      });
  }
}
