import { artifactLimits } from '../../../src/node/artifacts/limits.ts';
import { until } from './wait.ts';

/**
 * The end of a fetch in this process that is to be refused for its evidence. Whoever has that is looked for again at once, and not
 * after half a second, until it is found.
 */
export async function refused<T>(fetch: () => Promise<T>, isNotFound: (end: T) => boolean): Promise<T> {
  const { againMs } = artifactLimits;
  Object.assign(artifactLimits, { againMs: 1 });
  try {
    return await until('the evidence', async () => {
      const end = await fetch();
      return isNotFound(end) ? undefined : end;
    });
  } finally {
    Object.assign(artifactLimits, { againMs });
  }
}
