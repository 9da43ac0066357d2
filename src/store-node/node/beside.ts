import { pullArtifact } from '../../node/artifacts/transfer.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { StoreContext } from './context.ts';
import type { ProvenVerdict } from './evidence.ts';
import { storeNodeLimits } from './limits.ts';

/** Files that consumers ask for besides a tree, as far as they can be had: the logs of its builds. */
export class Beside {
  readonly #context: StoreContext;

  constructor(context: StoreContext) {
    this.#context = context;
  }

  /** Fetches within a number of bytes, and returns the bytes of each by its CID; a log that cannot be had is left out, and told. Errors: the signal's reason. */
  async fetch(
    { entry, logs }: Pick<ProvenVerdict, 'entry' | 'logs'>,
    connected: readonly string[],
    maxBytes: number,
  ): Promise<Map<string, number>> {
    const { mesh, store, signal, tell } = this.#context;
    const found = new Map<string, number>();
    let bytes = 0;
    const missing: string[] = [];
    for (const { log, worker } of logs) {
      const room = Math.min(maxBytes - bytes, limits.logBytesMax + storeNodeLimits.framingBytes);
      if (room <= 0) break;
      const limit = AbortSignal.any([signal, AbortSignal.timeout(storeNodeLimits.besideSecondsMax * 1000)]);
      try {
        const from = [worker, ...connected].slice(0, storeNodeLimits.peersMax);
        const pulled = await pullArtifact({ mesh, store }, log, { from, signal: limit, maxBytes: room });
        bytes += pulled.bytes;
        found.set(log, pulled.bytes);
      } catch {
        signal.throwIfAborted();
        missing.push(log);
      }
    }
    if (missing.length > 0)
      tell('info', 'logs', `${missing.length} logs of ${entry.name} could not be had`, {
        ...{ run: entry.run, logs: missing },
      });
    return found;
  }
}
