import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../protocol/base/errors.ts';
import { sizeText } from '../../protocol/base/quantity.ts';
import { PinsIncomplete, type Store } from '../../store/index.ts';
import type { Tell } from '../node-events.ts';
import { artifactLimits } from './limits.ts';

interface Collecting {
  store: Store;
  tell: Tell;
  /** Called before each collection, to unpin old trees. */
  trim?(signal: AbortSignal): Promise<void>;
  repair(incomplete: PinsIncomplete, signal: AbortSignal): Promise<void>;
  /** Told after each collection: pinned trees that are not whole, for which nothing was removed. */
  incomplete?(roots: readonly string[]): void;
}

/**
 * Removes unpinned blocks every `artifactLimits.collectSeconds`, and rereads the store now and then. While a pinned tree is not whole it
 * looks sooner: after `repairAgainSeconds`, then twice that. The result stops both, and waits for what runs, which ends early. A failure
 * is reported as an event and retried at the next interval.
 */
export function startBlockCollection({
  store,
  tell,
  trim,
  repair,
  incomplete,
}: Collecting): () => Promise<void> {
  const everyMs = artifactLimits.collectSeconds * 1000;
  const repairEveryMs = artifactLimits.repairAgainSeconds * 1000;
  const stop = new AbortController();
  const { signal } = stop;
  for (const says of store.mended) tell('warn', 'damaged', says);
  /** Whether every pinned tree is whole. */
  const round = async (): Promise<boolean> => {
    try {
      await trim?.(signal);
      const { blocks, bytes } = await store.collect({ signal }).catch(async (error: unknown) => {
        if (!(error instanceof PinsIncomplete)) throw error;
        const isAbsent = error.absent.size === error.roots.length;
        const [level, kind] = isAbsent ? (['info', 'absent'] as const) : (['warn', 'damaged'] as const);
        tell(level, kind, error.message, { roots: [...error.roots] });
        await repair(error, signal);
        return store.collect({ signal });
      });
      incomplete?.([]);
      if (blocks > 0)
        tell('info', 'collected', `freed ${sizeText(bytes)} of unpinned blocks`, { blocks, bytes });
      return true;
    } catch (error) {
      const isIncomplete = error instanceof PinsIncomplete;
      if (isIncomplete) incomplete?.(error.roots);
      // Each tree that was not fetched is told of by itself.
      else if (!signal.aborted) tell('warn', 'collect', `collect: ${messageOf(error)}`);
      return !isIncomplete;
    }
  };
  const running = (async () => {
    let againMs = repairEveryMs;
    while (!signal.aborted) {
      const isWhole = await round();
      const waitMs = isWhole ? everyMs : Math.min(everyMs, againMs);
      againMs = isWhole ? repairEveryMs : 2 * againMs;
      await sleep(waitMs, undefined, { signal }).catch(() => {});
    }
  })();
  const scrubbing = scrub({ store, tell }, signal);
  return async () => {
    stop.abort();
    await Promise.all([running, scrubbing]);
  };
}

/** Rereads the store from time to time, slowly. What it finds damaged, the next collection has fetched again. */
async function scrub(
  { store, tell }: Pick<Collecting, 'store' | 'tell'>,
  signal: AbortSignal,
): Promise<void> {
  const { scrubBytesPerSecond: bytesPerSecond, scrubSeconds } = artifactLimits;
  while (!signal.aborted) {
    try {
      await sleep(scrubSeconds * 1000, undefined, { signal });
      const { blocks, damaged } = await store.scrub({ bytesPerSecond, signal });
      if (damaged > 0)
        tell('warn', 'damaged', `${damaged} of ${blocks + damaged} blocks were damaged on disk`, { damaged });
    } catch (error) {
      if (!signal.aborted) tell('warn', 'scrub', `scrub: ${messageOf(error)}`);
    }
  }
}
