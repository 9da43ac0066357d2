import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../core/errors.ts';
import { sizeText } from '../../core/quantity.ts';
import type { Store } from '../../store/index.ts';
import type { Tell } from '../node/node-events.ts';
import { artifactLimits } from './limits.ts';

interface Collecting {
  store: Store;
  tell: Tell;
  /** Lets go of what has been kept for long enough, before each round. */
  trim?(signal: AbortSignal): Promise<void>;
  everyMs?: number;
}

/**
 * Gives the room of what nobody keeps back, now and then, until the returned function is called; that waits for a round
 * under way, which ends early. What fails is told, and tried again at the next.
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
        tell('info', 'collected', `gave back ${sizeText(bytes)} that nothing keeps`, { blocks, bytes });
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
