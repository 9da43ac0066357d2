import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../core/errors.ts';
import { sizeText } from '../../core/quantity.ts';
import type { Store } from '../../store/index.ts';
import type { Tell } from '../node/node-events.ts';
import { artifactLimits } from './limits.ts';

interface Collecting {
  store: Store;
  tell: Tell;
  /** Called before each collection, to unpin old trees. */
  trim?(signal: AbortSignal): Promise<void>;
  everyMs?: number;
}

/**
 * Removes unpinned blocks from the store periodically, every `artifactLimits.collectSeconds`. The result stops it, and
 * waits for a running collection, which ends early. A failure is reported as an event and retried at the next interval.
 */
export function startBlockCollection({
  store,
  tell,
  trim,
  everyMs = artifactLimits.collectSeconds * 1000,
}: Collecting): () => Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const round = async (): Promise<void> => {
    try {
      await trim?.(signal);
      const { blocks, bytes } = await store.collect({ signal });
      if (blocks > 0)
        tell('info', 'collected', `freed ${sizeText(bytes)} of unpinned blocks`, { blocks, bytes });
    } catch (error) {
      if (!signal.aborted) tell('warn', 'collect', `collect: ${messageOf(error)}`);
    }
  };
  const running = (async () => {
    while (!signal.aborted) {
      await round();
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
  })();
  return () => {
    stop.abort();
    return running;
  };
}
