import { join } from 'node:path';
import { type HeldImage, ImageCache } from '../../execution/images/cache.ts';
import { imageCacheFolder } from '../../execution/images/cache-folder.ts';
import { hasImageFile, imagesFolder, readImageFile } from '../../execution/images/files.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { Store } from '../../store/index.ts';

/**
 * The image of a trial: from the images of the repository, of the home, or from the image cache. Nothing is fetched.
 * Preparing it throws IMAGE_UNKNOWN if it is in none of these.
 */
export function trialImage(
  image: string,
  {
    home,
    repository,
    store,
    bytesMax = limits.imageCacheBytesDefault,
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
          throw new QuorateError('IMAGE_UNKNOWN', `the image ${image} is not on this host`, {
            hint: 'Create it (quorate image build, quorate image import), or write image: host in quorate.yaml.',
          });
        }
        await readImageFile(store, dir, image, { signal });
      },
      // The store is removed after the trial.
      discard: async () => {},
    },
  });
  return cache.use(image, signal);
}
