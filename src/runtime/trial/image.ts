import { join } from 'node:path';
import { QuorateError } from '../../core/errors.ts';
import { knobs } from '../../core/lending-knobs.ts';
import type { Store } from '../../store/index.ts';
import { type HeldImage, ImageCache } from '../images/cache.ts';
import { imageCacheFolder } from '../images/cache-folder.ts';
import { hasImageFile, imagesFolder, readImageFile } from '../images/files.ts';

/**
 * The image of a job that is tried: out of the project's images, this machine's own, or those that are ready here already.
 * Nothing is fetched.
 */
export function trialImage(
  image: string,
  {
    home,
    repository,
    store,
    bytesMax = knobs.imageBytes.default,
    signal,
  }: {
    home: string;
    repository: string;
    store: Store;
    bytesMax: number | undefined;
    signal: AbortSignal;
  },
): HeldImage {
  const folders = [join(repository, '.quorate'), home].map(imagesFolder);
  const cache = new ImageCache({
    ...{ dir: imageCacheFolder(home), bytesMax, store, signal },
    source: {
      obtain: async () => {
        const dir = folders.find((folder) => hasImageFile(folder, image));
        if (dir === undefined) {
          throw new QuorateError('IMAGE_UNKNOWN', `the image ${image} is not here`, {
            hint: 'Make it here (quorate image build, quorate image import), or write image: host in quorate.yaml.',
          });
        }
        await readImageFile(store, dir, image, signal);
      },
      // The store goes with the trial.
      discard: async () => {},
    },
  });
  return cache.use(image, signal);
}
