import { Registry } from 'prom-client';
import { expect, it, vi } from 'vitest';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { proofIn, proveVerdict } from '../../../src/store-node/node/evidence.ts';
import { storePin } from '../../../src/store-node/node/keeper.ts';
import { storeNodeLimits } from '../../../src/store-node/node/limits.ts';
import { meterStore } from '../../../src/store-node/node/metrics.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { exit, workerKey } from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';
import { keepAll, keeping, type Peer, peer, verdictOn } from './support.ts';

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
  const passed = exit(null);
  const green = {
    runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome: passed })),
    own: { operator: 'owner', slot: 'trusted', outcome: passed } as const,
    job: { kind: 'test' } as const,
  };
  const bare = (await verdictOn(tree, green)).text;
  await expect(proofIn(bare, context)).rejects.toMatchObject({
    code: 'STORE_UNPROVEN',
    message: expect.stringContaining('it is about no tree'),
  });
  withLimits(storeNodeLimits, { besideMax: 3 });
  expect((await proofIn((await verdictOn(tree)).text, context)).logs).toHaveLength(2);

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
  // A mistake of ours is no peer without a bundle.
  const broken = { ...context, mesh: {} as never };
  await expect(proveVerdict(broken, { run, tree }, [at(third)])).rejects.toThrow(TypeError);
  const stop = AbortSignal.abort(new Error('enough'));
  await expect(proveVerdict({ ...context, signal: stop }, { run, tree }, [at(third)])).rejects.toThrow(
    'enough',
  );
});

/** A peer with a tree and the bundle of a verdict on it. */
async function offered(recipe: Parameters<typeof verdictOn>[1] = {}, bytes = 0, key?: Uint8Array) {
  const honest = await peer(key);
  const tree = await honest.add('good', bytes);
  const { run, text } = await verdictOn(tree, recipe);
  honest.bundles.set(run, text);
  return { honest, tree, run };
}

it.each(['STORE_DISK_FULL', 'HOME_UNWRITABLE'] as const)('a keeper ends with %s', async (code) => {
  const { honest, tree, run } = await offered();
  const { context, keeper, ends } = await keeping([honest]);
  vi.spyOn(context.store, 'pin').mockRejectedValue(new QuorateError(code, 'no'));
  keeper.hint({ run, tree, level: 'trusted' });
  expect(await ends()).toMatchObject({ code });
});

it('a keeper goes on after any other error, with a pause', async () => {
  const { honest, tree, run } = await offered();
  const { context, keeper, told } = await keeping([honest]);
  const known = vi.spyOn(context.ledger, 'known', 'get').mockImplementation(() => {
    throw new Error('a mistake');
  });
  const began = performance.now();
  keeper.hint({ run, tree, level: 'trusted' });
  expect(await told('store')).toMatchObject({ level: 'warn', says: 'store: a mistake' });
  await told('store', 3);
  expect(performance.now() - began).toBeGreaterThanOrEqual(98);
  known.mockRestore();
  await told('kept');
});

it('a verdict that is told at a level is looked at until it is proven at that level, and then not again', async () => {
  const { honest, tree, run } = await offered({ own: null, level: 'agreed' });
  const { keeper, told } = await keeping([honest]);
  keeper.hint({ run, tree, level: 'trusted' });
  expect((await told('kept')).data).toMatchObject({ level: 'agreed' });
  honest.bundles.set(run, (await verdictOn(tree)).text);
  expect((await told('kept', 2)).data).toMatchObject({ level: 'trusted' });

  const other = await honest.add('other');
  const second = await verdictOn(other, { own: null, level: 'agreed' });
  honest.bundles.set(second.run, second.text);
  keeper.hint({ run: second.run, tree: other, level: 'agreed' });
  await told('kept', 3);
  const asked = vi.spyOn(honest.bundles, 'get');
  const third = await honest.add('third');
  const last = await verdictOn(third);
  honest.bundles.set(last.run, last.text);
  for (const level of ['agreed', 'trusted'] as const) keeper.hint({ run, tree, level });
  keeper.hint({ run: second.run, tree: other, level: 'agreed' });
  keeper.hint({ run: last.run, tree: third, level: 'trusted' });
  await told('kept', 4);
  expect(new Set(asked.mock.calls.flat())).toEqual(new Set([last.run]));
});

it('a verdict that nobody proves is told at the third look, and its charter is learned once it is', async () => {
  const { honest, tree, run } = await offered();
  const text = honest.bundles.get(run) ?? '';
  honest.bundles.clear();
  const { context, keeper, told, events } = await keeping([honest]);
  const learned = vi.spyOn(context.watch, 'learnCharter');
  keeper.hint({ run, tree, level: 'agreed' });
  expect(await told('unproven')).toMatchObject({ level: 'warn', data: { run, tree } });
  expect([events.length, learned.mock.calls]).toEqual([1, []]);
  honest.bundles.set(run, text);
  // A higher level is looked at at once.
  keeper.hint({ run, tree, level: 'trusted' });
  await told('kept');
  expect(learned.mock.calls).toEqual([[JSON.parse(text).charter]]);
});

it('a tree that the disk lost is fetched again', async () => {
  const { honest, tree, run } = await offered();
  const { context, keeper, told, roots } = await keeping([honest]);
  keeper.hint({ run, tree, level: 'trusted' });
  await told('kept');
  await context.store.unpin(tree, storePin);
  await keeper.reconcile();
  await keeper.apply();
  await told('kept', 2);
  expect(await roots()).toEqual([tree]);
});

it('a tree that is larger than its room at its builder is asked for at nobody else', async () => {
  const { honest, tree, run } = await offered({}, 5_000, workerKey('ada').seed);
  const { context, keeper } = await keeping([honest], { ...keepAll, quotaBytes: 100 });
  const searched = vi.spyOn(context.mesh, 'findProviders');
  keeper.hint({ run, tree, level: 'trusted' });
  await expect.poll(() => context.ledger.larger.get(tree)).toBe(100);
  expect([context.ledger.entries.get(run)?.tree, searched.mock.calls]).toEqual([tree, []]);
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
