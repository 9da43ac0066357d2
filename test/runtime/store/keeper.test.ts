import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { proofIn, proveVerdict } from '../../../src/runtime/store/evidence.ts';
import { storePin } from '../../../src/runtime/store/keeper.ts';
import { meterStore } from '../../../src/runtime/store/metrics.ts';
import { exit } from '../../support/project.ts';
import { codeOf } from '../support.ts';
import { keeping, type Peer, peer, verdictOn } from './support.ts';

it('a start drops pins that a crash left, and forgets trees that the disk lost', async () => {
  const { context, keeper, roots, events } = await keeping([]);
  const { store, ledger } = context;
  const add = async (text: string) => await store.importBytes(Buffer.from(text), { into: store.public });
  const [kept, beside, left, others, lost] = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(add));
  if (!kept || !beside || !left || !others || !lost) throw new Error('five trees');
  await store.pin([kept, beside, left], storePin);
  await store.pin([others], 'another name');
  ledger.trees.set(kept, { bytes: 1, beside: [beside] });
  await keeper.reconcile();
  expect((await roots()).sort()).toEqual([kept, beside, others].sort());
  expect(events).toEqual([]);
  ledger.trees.set(lost, { bytes: 1, beside: [] });
  await keeper.reconcile();
  expect([...ledger.trees.keys()]).toEqual([kept]);
  expect(events).toMatchObject([{ level: 'warn', kind: 'lost', says: expect.stringMatching(/^1 trees/) }]);
});

it('announces again what it keeps a verdict of', async () => {
  const honest = await peer();
  const tree = await honest.add('good');
  const { run, text } = await verdictOn(tree);
  honest.bundles.set(run, text);
  const { context, keeper, told } = await keeping([honest]);
  keeper.hint({ run, tree, level: 'trusted' });
  await told('kept');
  context.ledger.trees.set('without one', { bytes: 1, beside: [] });
  const announced: string[] = [];
  Object.assign(context, { mesh: { provide: async (cid: string) => void announced.push(cid) } });
  await keeper.announceAgain();
  expect(announced).toEqual([tree]);
});

it('a bundle is evidence of a tree from level agreed on, and of no other run or tree', async () => {
  const honest = await peer();
  const tree = await honest.add('good');
  const { context } = await keeping([]);
  const code = async (recipe: Parameters<typeof verdictOn>[1]) =>
    codeOf(async () => proofIn((await verdictOn(tree, recipe)).text, context));
  expect(await code({})).toBeUndefined();
  expect(await code({ own: null, level: 'agreed' })).toBeUndefined();
  const outcome = { kind: 'exit', code: 0, artifact: tree } as const;
  expect(await code({ runs: [{ operator: 'ada', outcome }], own: null })).toBe('STORE_UNPROVEN');
  expect(await code({ own: null, level: 'trusted' })).toBe('STORE_UNPROVEN');
  const none = exit(null, 1);
  const runs = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome: none }));
  const failed = { runs, own: { operator: 'owner', slot: 'trusted', outcome: none } as const };
  expect(await code({ ...failed, job: { kind: 'test' } })).toBe('STORE_UNPROVEN');

  const agreed = await verdictOn(tree, { own: null, level: 'agreed' });
  const { run, text } = await verdictOn(tree);
  const [second, third] = [await peer(), await peer()];
  const at = ({ mesh }: Peer) => ({ id: mesh.id, addrs: mesh.addresses() });
  const level = async (...peers: Peer[]) =>
    (await proveVerdict(context, { run, tree }, peers.map(at)))?.entry.level;
  expect(await level(honest)).toBeUndefined();
  expect(agreed.run).toBe(run);
  second.bundles.set(run, agreed.text);
  third.bundles.set(run, text);
  expect(await level(honest, second)).toBe('agreed');
  expect(await level(second, third)).toBe('trusted');
  expect(await proveVerdict(context, { run, tree: await honest.add('other') }, [at(third)])).toBeUndefined();
  const stop = AbortSignal.abort(new Error('enough'));
  await expect(proveVerdict({ ...context, signal: stop }, { run, tree }, [at(third)])).rejects.toThrow(
    'enough',
  );
});

it('metrics say what a store keeps, holds on disk and may keep', async () => {
  const registry = new Registry();
  const { context } = await keeping([]);
  const store = { usage: async () => ({ bytes: 3, pins: 4 }) } as never;
  meterStore(registry, { mesh: context.mesh, store, kept: () => ({ trees: 1, bytes: 2 }), quotaBytes: 5 });
  const lines = (await registry.metrics())
    .split('\n')
    .filter((line) => /^quorate_(store|mesh_connections_max)/.test(line));
  expect(lines.filter((line) => line.includes('_store_'))).toEqual([
    'quorate_store_kept_trees 1',
    'quorate_store_kept_bytes 2',
    'quorate_store_quota_bytes 5',
    'quorate_store_bytes 3',
    'quorate_store_pins 4',
  ]);
  expect(lines).toHaveLength(6);
});
