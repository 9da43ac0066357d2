import { setTimeout as sleep } from 'node:timers/promises';
import type { Mesh } from '../../mesh/index.ts';

const waits = [500, 2_000, 5_000, 15_000, 60_000];

/** Announces a CID in the DHT, again while nobody is there to take the record. Throws what the last try threw. */
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
