import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { pullArtifact, serveArtifacts } from '../../../src/node/artifacts/transfer.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { transferLimits } from '../../../src/transfer/limits.ts';
import { folder } from '../../support/code-and-folder.ts';
import { withLimits } from '../../support/with-limits.ts';

/** A process with a store. */
async function process(key: Uint8Array, name: string): Promise<{ mesh: Mesh; store: Store }> {
  const mesh = await openMesh({
    key,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    topics: [],
    role: 'node',
  });
  const store = await openStore({ dir: join(await folder(), name) });
  onTestFinished(async () => {
    await mesh.close();
    await store.close();
  });
  return { mesh, store };
}

it('a tree is fetched of a peer that has several processes, whichever of them has it', async () => {
  withLimits(transferLimits, { breakAgainMs: 1 });
  const key = randomBytes(32);
  const hub = await process(randomBytes(32), 'hub');
  const has = await process(key, 'has');
  const lacks = await process(key, 'lacks');
  for (const { mesh, store } of [has, lacks]) {
    serveArtifacts({ mesh, store });
    await mesh.connect(hub.mesh.addresses());
  }
  const tree = await has.store.importBytes(Buffer.alloc(3_000_000, 'tree'), { into: has.store.public });
  const signal = AbortSignal.timeout(120_000);
  const { bytes } = await pullArtifact(hub, tree, { from: [has.mesh.id], signal });
  expect(bytes).toBeGreaterThan(1_000_000);
});
