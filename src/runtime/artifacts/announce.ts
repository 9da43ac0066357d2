import { setTimeout as sleep } from 'node:timers/promises';
import type { Mesh } from '../../mesh/index.ts';

const waits = [500, 2_000, 5_000, 15_000, 60_000];

/**
 * Announces a CID in the DHT. Retries with growing waits (`waits`, in milliseconds) while no peer takes the record. Throws
 * the error of the last try.
 */
export async function announce(mesh: Mesh, cid: string, signal: AbortSignal): Promise<void> {
  for (const wait of waits) {
    try {
      return await mesh.provide(cid);
    } catch {
      await sleep(wait, undefined, { signal });
    }
  }
  await mesh.provide(cid);
}
