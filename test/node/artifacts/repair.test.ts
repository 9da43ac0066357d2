import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { forgetTree } from '../../../src/node/artifacts/forget-tree.ts';
import { repairTrees } from '../../../src/node/artifacts/repair.ts';
import type { Tell } from '../../../src/node/node-events.ts';
import { PinsIncomplete, type Store } from '../../../src/store/index.ts';
import { transferLimits } from '../../../src/transfer/limits.ts';
import { damage, folder, noiseBytes, reopened, store, tar } from '../../store/support.ts';
import { withLimits } from '../../support/with-limits.ts';
import { node, serving } from '../../transfer/support.ts';

const entries = [
  { name: 'dir/f', body: noiseBytes(400_000, 1) },
  { name: 'g', body: noiseBytes(500, 2) },
];

async function incomplete(own: Store): Promise<PinsIncomplete> {
  const error: unknown = await own.collect({ graceSeconds: -10 }).catch((error) => error);
  expect(error).toBeInstanceOf(PinsIncomplete);
  return error as PinsIncomplete;
}

/** A store as a restore without artifacts makes it: with the pin of a tree, and nothing of the tree. */
async function restored() {
  const first = await store();
  const { root } = await first.importTar(await tar(entries), { into: first.public });
  await first.pin([root], 'run 1');
  await first.close();
  const dir = await folder();
  await copyFile(join(first.dir, 'pins.log'), join(dir, 'pins.log'));
  const own = await reopened(dir);
  const trees = await incomplete(own);
  expect(trees).toMatchObject({
    message: expect.stringMatching(/^1 pinned tree is not here, as after a restore/),
    absent: new Set([root]),
  });
  return { own, root, trees, dir };
}

/** A store with a pinned tree, of which a folder is damaged. */
async function damaged() {
  const first = await store();
  const { root } = await first.importTar(await tar(entries), { into: first.public });
  await first.pin([root], 'run 1');
  const { cid = '' } = (await first.resolve(root, 'dir')) ?? {};
  await first.close();
  await damage(first.dir, cid);
  const own = await reopened(first.dir);
  const trees = await incomplete(own);
  expect(trees).toMatchObject({ message: expect.stringContaining('damaged'), absent: new Set() });
  return { own, root, trees, dir: first.dir };
}

function telling() {
  const told: { level: string; kind: string; says: string; data: Record<string, unknown> | undefined }[] = [];
  const tell: Tell = (level, kind, says, data) => void told.push({ level, kind, says, data });
  return { told, tell };
}

const signal = AbortSignal.timeout(120_000);

describe('a tree that is not here', () => {
  it('is no damage, and is fetched once a peer is there', async () => {
    withLimits(transferLimits, { breakAgainMs: 1 });
    const { own, root, trees } = await restored();
    const mesh = await node();
    const { told, tell } = telling();
    const holder = await serving();
    await holder.store.importTar(await tar(entries), { into: holder.store.public });
    const ports = { mesh, store: own, tell, holders: () => [holder.mesh.id] };
    await repairTrees(ports, trees, signal);
    expect(told).toMatchObject([{ level: 'info', kind: 'absent', data: { root, names: ['run 1'] } }]);
    expect(told[0]?.says).toMatch(/is not here and could not be fetched yet: /);
    await mesh.connect(holder.mesh.addresses());
    await repairTrees(ports, trees, signal);
    expect(told[1]).toMatchObject({ kind: 'repaired', says: `${root} was not here and is whole again` });
    expect(await own.has(root)).toBe(true);
  });
});

describe('a damaged tree', () => {
  it('is fetched again from a peer that had it, though nobody announces it', async () => {
    const { own, root, trees } = await damaged();
    const holder = await serving();
    await holder.store.importTar(await tar(entries), { into: holder.store.public });
    const mesh = await node();
    await mesh.connect(holder.mesh.addresses());
    const { told, tell } = telling();
    await repairTrees({ mesh, store: own, tell, holders: () => [holder.mesh.id] }, trees, signal);
    expect(told).toMatchObject([{ kind: 'repaired', data: { root } }]);
    await own.collect({ graceSeconds: -10 });
    expect(await own.has(root)).toBe(true);
  });

  it('is fetched again from a peer that announces it', async () => {
    const { own, root, trees } = await damaged();
    const holder = await serving();
    await holder.store.importTar(await tar(entries), { into: holder.store.public });
    const mesh = await node();
    await mesh.connect(holder.mesh.addresses());
    vi.spyOn(mesh, 'findProviders').mockImplementation(async function* (of) {
      if (of === root) yield { id: holder.mesh.id, addrs: [] };
    });
    const { told, tell } = telling();
    await repairTrees({ mesh, store: own, tell, holders: () => [] }, trees, signal);
    expect(told.map(({ kind }) => kind)).toEqual(['repaired']);
  });

  it('is told of no more once the node stops', async () => {
    const { own, trees } = await damaged();
    const { told, tell } = telling();
    const ports = { mesh: await node(), store: own, tell, holders: () => [] };
    const stopped = AbortSignal.abort(new Error('enough'));
    await expect(repairTrees(ports, trees, stopped)).rejects.toThrow('enough');
    expect(told).toEqual([]);
  });

  it('is taken from the next peer where one has only a part of it', async () => {
    const { own, trees } = await damaged();
    const part = await serving();
    const other = await serving();
    await part.store.importTar(await tar([{ name: 'x', body: 'another tree' }]), { into: part.store.public });
    await other.store.importTar(await tar(entries), { into: other.store.public });
    const mesh = await node();
    for (const peer of [part, other]) await mesh.connect(peer.mesh.addresses());
    const { told, tell } = telling();
    const holders = () => [part.mesh.id, other.mesh.id];
    await repairTrees({ mesh, store: own, tell, holders }, trees, signal);
    expect(told.map(({ kind }) => kind)).toEqual(['repaired']);
  });

  it('that nobody has is named, with what it is kept as and the command that gives it up', async () => {
    const { own, root, trees, dir } = await damaged();
    const mesh = await node();
    const { told, tell } = telling();
    await repairTrees({ mesh, store: own, tell, holders: () => [] }, trees, signal);
    const command = `quorate store forget ${root}`;
    expect(told).toMatchObject([
      { level: 'warn', kind: 'damaged', data: { root, names: ['run 1'], command } },
    ]);
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
