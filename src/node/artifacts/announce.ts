import { setTimeout as sleep } from 'node:timers/promises';
import type { Mesh } from '../../mesh/index.ts';

const waitsMs: readonly number[] = [500, 2_000, 5_000, 15_000, 60_000];

/** Announces a CID in the DHT. Retries after each of `waits` while no peer takes the record. @throws the error of the last try */
export async function announce(
  mesh: Pick<Mesh, 'provide'>,
  cid: string,
  signal: AbortSignal,
  waits = waitsMs,
): Promise<void> {
  for (const wait of waits) {
    try {
      return await mesh.provide(cid);
    } catch {
      await sleep(wait, undefined, { signal });
    }
  }
  await mesh.provide(cid);
}
