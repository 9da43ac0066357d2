import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openStore, PinsIncomplete } from '../../../src/store/index.ts';
import type { Ground, Part } from '../../e2e/support/ground.ts';

/** The store of a part, where it keeps one. */
async function storeOf(ground: Ground, part: Part): Promise<string | undefined> {
  const home = ground.home(part);
  const dir = join(home, ...(part === 'controller' ? ['.quorate', 'store'] : ['store']));
  return (await stat(dir).catch(() => undefined)) === undefined ? undefined : dir;
}

/** Rereads the store of a part that does not run, as its node does once a week. The number of blocks that were damaged. */
export async function scrubbed(ground: Ground, part: Part): Promise<number> {
  const dir = await storeOf(ground, part);
  if (dir === undefined) return 0;
  const store = await openStore({ dir });
  try {
    return (await store.scrub({ bytesPerSecond: Number.POSITIVE_INFINITY })).damaged;
  } finally {
    await store.close();
  }
}

/** Pinned trees in the store of a part that does not run which are not whole. */
export async function incompleteTrees(ground: Ground, part: Part): Promise<readonly string[]> {
  const dir = await storeOf(ground, part);
  if (dir === undefined) return [];
  const store = await openStore({ dir });
  try {
    await store.scrub({ bytesPerSecond: Number.POSITIVE_INFINITY });
    await store.collect({});
    return [];
  } catch (error) {
    if (!(error instanceof PinsIncomplete)) throw error;
    return [...error.roots];
  } finally {
    await store.close();
  }
}
