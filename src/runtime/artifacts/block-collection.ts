import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../core/errors.ts';
import { sizeText } from '../../core/quantity.ts';
import { PinsIncomplete, type Store } from '../../store/index.ts';
import type { Tell } from '../node/node-events.ts';
import { artifactLimits } from './limits.ts';

interface Collecting {
  store: Store;
  tell: Tell;
  /** Called before each collection, to unpin old trees. */
  trim?(signal: AbortSignal): Promise<void>;
  /** Fetches pinned trees again that are not whole. */
  repair(roots: readonly string[], signal: AbortSignal): Promise<void>;
  /** Told after each collection: pinned trees that are not whole, for which nothing was removed. */
  incomplete?(roots: readonly string[]): void;
  everyMs?: number;
  scrubEveryMs?: number;
}

/**
 * Removes unpinned blocks from the store periodically, every `artifactLimits.collectSeconds`, and rereads it all now and then.
 * The result stops both, and waits for what runs, which ends early. A failure is reported as an event and retried at the next interval.
 */
export function startBlockCollection({
  store,
  tell,
  trim,
  repair,
  incomplete,
  everyMs = artifactLimits.collectSeconds * 1000,
  scrubEveryMs = artifactLimits.scrubSeconds * 1000,
}: Collecting): () => Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  for (const says of store.mended) tell('warn', 'damaged', says);
  const round = async (): Promise<void> => {
    try {
      await trim?.(signal);
      const { blocks, bytes } = await store.collect({ signal }).catch(async (error: unknown) => {
        if (!(error instanceof PinsIncomplete)) throw error;
        tell('warn', 'damaged', error.message, { roots: [...error.roots] });
        await repair(error.roots, signal);
        return store.collect({ signal });
      });
      incomplete?.([]);
      if (blocks > 0)
        tell('info', 'collected', `freed ${sizeText(bytes)} of unpinned blocks`, { blocks, bytes });
    } catch (error) {
      if (error instanceof PinsIncomplete) incomplete?.(error.roots);
      if (!signal.aborted) tell('warn', 'collect', `collect: ${messageOf(error)}`);
    }
  };
  const running = (async () => {
    while (!signal.aborted) {
      await round();
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
  })();
  const scrubbing = scrub({ store, tell, everyMs: scrubEveryMs, signal });
  return async () => {
    stop.abort();
    await Promise.all([running, scrubbing]);
  };
}

/** Rereads the store from time to time, slowly. What it finds damaged, the next collection has fetched again. */
async function scrub({
  store,
  tell,
  everyMs,
  signal,
}: Pick<Collecting, 'store' | 'tell'> & { everyMs: number; signal: AbortSignal }): Promise<void> {
  while (!signal.aborted) {
    try {
      await sleep(everyMs, undefined, { signal });
      const { blocks, damaged } = await store.scrub({
        bytesPerSecond: artifactLimits.scrubBytesPerSecond,
        signal,
      });
      if (damaged > 0)
        tell('warn', 'damaged', `${damaged} of ${blocks + damaged} blocks were damaged on disk`, { damaged });
    } catch (error) {
      if (!signal.aborted) tell('warn', 'scrub', `scrub: ${messageOf(error)}`);
    }
  }
}
