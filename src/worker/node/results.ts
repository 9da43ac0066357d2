import { messageOf } from '../../protocol/base/errors.ts';
import { knobs } from '../lending-knobs.ts';
import type { Publication } from '../sessions/publication.ts';
import type { WorkerContext } from './context.ts';
import { imagePin } from './images.ts';
import { isInputPin } from './inputs.ts';

/** Under which these are kept: `trimResults` drops them, and no lease of its own. */
export const pinOfResults = 'results';

/** Removes the artifacts and logs of a worker's builds that were requested least recently, each with its bundle, until the rest fits. */
export async function trimResults(
  { store, bundles, mesh, tell }: Pick<WorkerContext, 'store' | 'bundles' | 'mesh' | 'tell'>,
  serving: Pick<Publication, 'isNew' | 'forget'>,
  { bytesMax = knobs.resultBytes.default, signal }: { bytesMax?: number | undefined; signal: AbortSignal },
): Promise<void> {
  const gone = await store.trim({
    bytesMax,
    // Images have a limit of their own, and inputs go with their builds.
    counts: ({ names }) => !names.includes(imagePin) && !names.some(isInputPin),
    stays: ({ root }) => serving.isNew(root),
    signal,
  });
  for (const root of gone) {
    // Built again meanwhile.
    if (serving.isNew(root)) continue;
    serving.forget(root);
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
