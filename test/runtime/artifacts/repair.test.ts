import { describe, expect, it } from 'vitest';
import { forgetTree } from '../../../src/runtime/artifacts/forget-tree.ts';
import { repairTrees } from '../../../src/runtime/artifacts/repair.ts';
import type { Tell } from '../../../src/runtime/node/node-events.ts';
import { PinsIncomplete } from '../../../src/store/index.ts';
import { damage, noiseBytes, reopened, store, tar } from '../../store/support.ts';
import { node, serving } from '../../transfer/support.ts';

const entries = [
  { name: 'dir/f', body: noiseBytes(400_000, 1) },
  { name: 'g', body: noiseBytes(500, 2) },
];

/** A store with a pinned tree, of which a folder is damaged. */
async function damaged() {
  const first = await store();
  const { root } = await first.importTar(await tar(entries), { into: first.public });
  await first.pin([root], 'run 1');
  const { cid = '' } = (await first.resolve(root, 'dir')) ?? {};
  await first.close();
  await damage(first.dir, cid);
  const own = await reopened(first.dir);
  await expect(own.collect({ graceSeconds: -10 })).rejects.toBeInstanceOf(PinsIncomplete);
  return { own, root, dir: first.dir };
}

function telling() {
  const told: { kind: string; says: string; data: Record<string, unknown> | undefined }[] = [];
  const tell: Tell = (_, kind, says, data) => void told.push({ kind, says, data });
  return { told, tell };
}

const signal = AbortSignal.timeout(120_000);

describe('a damaged tree', () => {
  it('is fetched again from a peer that had it, though nobody announces it', async () => {
    const { own, root } = await damaged();
    const holder = await serving();
    await holder.store.importTar(await tar(entries), { into: holder.store.public });
    const mesh = await node();
    await mesh.connect(holder.mesh.addresses());
    const { told, tell } = telling();
    await repairTrees({ mesh, store: own, tell, holders: () => [holder.mesh.id] }, [root], signal);
    expect(told).toMatchObject([{ kind: 'repaired', data: { root } }]);
    await own.collect({ graceSeconds: -10 });
    expect(await own.has(root)).toBe(true);
  });

  it('is taken from the next peer where one has only a part of it', async () => {
    const { own, root } = await damaged();
    const part = await serving();
    const other = await serving();
    await part.store.importTar(await tar([{ name: 'x', body: 'another tree' }]), { into: part.store.public });
    await other.store.importTar(await tar(entries), { into: other.store.public });
    const mesh = await node();
    for (const peer of [part, other]) await mesh.connect(peer.mesh.addresses());
    const { told, tell } = telling();
    const holders = () => [part.mesh.id, other.mesh.id];
    await repairTrees({ mesh, store: own, tell, holders }, [root], signal);
    expect(told.map(({ kind }) => kind)).toEqual(['repaired']);
  });

  it('that nobody has is named, with what it is kept as and the command that gives it up', async () => {
    const { own, root, dir } = await damaged();
    const mesh = await node();
    const { told, tell } = telling();
    await repairTrees({ mesh, store: own, tell, holders: () => [] }, [root], signal);
    const command = `quorate store forget ${root}`;
    expect(told).toMatchObject([{ kind: 'damaged', data: { root, names: ['run 1'], command } }]);
    expect(told[0]?.says).toContain(command);
    await expect(own.collect({ graceSeconds: -10 })).rejects.toBeInstanceOf(PinsIncomplete);
    await expect(forgetTree(dir, root)).rejects.toMatchObject({ code: 'STORE_IN_USE' });
    await own.close();
    expect(await forgetTree(dir, root)).toEqual(['run 1']);
    await expect(forgetTree(dir, root)).rejects.toMatchObject({ code: 'STORE_NOT_PINNED' });
    const again = await reopened(dir);
    expect((await again.collect({ graceSeconds: -10 })).blocks).toBeGreaterThan(0);
    expect(await again.has(root)).toBe(false);
  });
});
