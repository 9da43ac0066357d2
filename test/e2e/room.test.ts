import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { openStore } from '../../src/store/index.ts';
import { noiseBytes, tar } from '../store/support.ts';
import { LocalCluster } from './support/local-cluster.ts';

/** Leftovers of two earlier runs in a store: a fetch that broke off, and a result. */
async function left(dir: string): Promise<{ brokenOff: string; result: string }> {
  const ago = Date.now() - 2 * 3600_000;
  const clock = vi.spyOn(Date, 'now').mockReturnValue(ago);
  const store = await openStore({ dir });
  try {
    const add = async (seed: number) =>
      (
        await store.importTar(await tar([{ name: 'f', body: noiseBytes(50_000, seed) }]), {
          into: store.public,
        })
      ).root;
    const [brokenOff, result] = [await add(1), await add(2)];
    await store.pin([result], 'of-an-earlier-lease');
    return { brokenOff, result };
  } finally {
    clock.mockRestore();
    await store.close();
  }
}

async function isThere(dir: string, root: string): Promise<boolean> {
  const store = await openStore({ dir });
  try {
    return await store.has(root);
  } finally {
    await store.close();
  }
}

describe('a block that is not kept any more', () => {
  it('is given back when a controller or a worker starts; results stay while there is room', async () => {
    const cluster = await LocalCluster.start();
    const { control } = cluster;
    await control.stop();
    const owners = join(cluster.projectDir, '.quorate', 'store');
    const lent = join(cluster.home('ann'), 'store');
    await mkdir(cluster.home('ann'), { recursive: true, mode: 0o700 });
    const [atOwner, atWorker] = [await left(owners), await left(lent)];

    const controller = await cluster.startController();
    await controller.event('collected');
    const worker = await cluster.volunteer('ann');
    expect(await worker.event('collected')).toMatchObject({ data: { blocks: 2 } });
    expect(worker.all('results')).toEqual([]);
    await worker.stop();
    expect(await isThere(lent, atWorker.result)).toBe(true);
    expect(await isThere(lent, atWorker.brokenOff)).toBe(false);

    const again = await cluster.work('ann', undefined, { rules: { hours: [], resultBytes: 1024 } });
    expect(await again.event('results')).toMatchObject({ data: { roots: [atWorker.result] } });
    await again.stop();
    await controller.stop();
    // A controller lets go of nothing that was ever pinned.
    expect(await isThere(owners, atOwner.result)).toBe(true);
    expect(await isThere(owners, atOwner.brokenOff)).toBe(false);
  });
});
