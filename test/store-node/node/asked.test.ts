import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { QuorateError } from '../../../src/protocol/base/errors.ts';
import { AskedTrees } from '../../../src/store-node/node/asked.ts';
import { Ledger } from '../../../src/store-node/node/ledger.ts';
import { storeNodeLimits } from '../../../src/store-node/node/limits.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { withLimits } from '../../support/with-limits.ts';
import { folder, keepAll, keeping, peer } from './support.ts';

/** A store with this quota that is asked for trees which a peer has. */
async function asking(quotaBytes: number) {
  const honest = await peer();
  const home = await folder();
  const kept = await keeping([], { ...keepAll, quotaBytes }, home);
  const asked = new AskedTrees(kept.context, kept.keeper);
  const from = [{ id: honest.mesh.id, addrs: honest.mesh.addresses() }];
  const pin = (tree: string, maxBytes: number) => asked.pin({ run: 'f'.repeat(64), tree, maxBytes, from });
  const failed = (tree: string, maxBytes: number) =>
    pin(tree, maxBytes).then(
      () => undefined,
      (error: QuorateError) => [error.code, (error.cause as QuorateError | undefined)?.code],
    );
  return { ...kept, home, honest, pin, failed };
}

it('a tree that a controller asks for is pinned for its time, and again where it is here', async () => {
  const { context, honest, pin, roots, events } = await asking(2 ** 20);
  const tree = await honest.add('good');
  const { ledger } = context;
  const before = Date.now();
  const { until } = await pin(tree, 5_000);
  expect(until - before).toBeGreaterThanOrEqual(storeNodeLimits.askedSeconds * 1000);
  expect([ledger.asked.get(tree), ledger.trees.get(tree)?.beside, await roots()]).toEqual([
    ...[until, [], [tree]],
  ]);
  expect(events.map(({ kind }) => kind)).toEqual(['held']);
  const bytes = ledger.trees.get(tree)?.bytes ?? 0;
  expect(bytes).toBeGreaterThan(0);
  // Its own bytes are no reason against it.
  Object.assign(context, { retention: { ...keepAll, quotaBytes: bytes } });
  expect((await pin(tree, bytes)).until).toBeGreaterThanOrEqual(until);
  expect(await codeOf(async () => pin(await honest.add('other'), bytes))).toBe('STORE_QUOTA');
});

it('a tree is refused for the quota, or because it is larger than was said', async () => {
  const { context, honest, failed, roots } = await asking(0);
  const tree = await honest.add('large', 5_000);
  expect(await failed(tree, 10_000), 'before anybody is asked for it').toEqual(['STORE_QUOTA', undefined]);
  const quota = (quotaBytes: number) =>
    Object.assign(context, { retention: { ...keepAll, quotaBytes } }) && undefined;
  quota(1_000);
  expect(await failed(tree, 10_000)).toEqual(['STORE_QUOTA', 'STORE_TREE_TOO_LARGE']);
  expect((await failed(tree, 1_000))?.[0]).toBe('STORE_TREE_TOO_LARGE');
  quota(2 ** 20);
  expect((await failed(tree, 1_000))?.[0]).toBe('STORE_TREE_TOO_LARGE');
  expect(await roots()).toEqual([]);
  expect(await failed(tree, 10_000)).toBeUndefined();
});

it('room is kept for what is being fetched, of other trees, and is free again when that failed', async () => {
  const { honest, pin, failed } = await asking(10_000);
  const [large, other] = [await honest.add('large', 50_000), await honest.add('other')];
  const fetching = [failed(large, 10_000), failed(large, 10_000)];
  expect(await failed(other, 1)).toEqual(['STORE_QUOTA', undefined]);
  for (const one of fetching) expect((await one)?.[0]).toBe('STORE_TREE_TOO_LARGE');
  await pin(other, 10_000);
});

it('a tree that was asked for is gone when its time is up, and its room is given back once in a while', async () => {
  const { context, home, keeper, honest, pin, roots, told, events } = await asking(2 ** 20);
  const [tree, second] = [await honest.add('good'), await honest.add('second')];
  const { ledger, store, mesh } = context;
  withLimits(storeNodeLimits, { sweepSecondsMin: 3_600 });
  const collected = vi.spyOn(store, 'collect').mockResolvedValue({} as never);
  const withdrawn = vi.spyOn(mesh, 'unprovide');
  const { until } = await pin(tree, 5_000);
  const later = await pin(second, 5_000);
  const file = join(home, 'ledger.json');
  expect((await Ledger.open(file)).asked).toEqual(
    new Map([
      [tree, until],
      [second, later.until],
    ]),
  );
  vi.useFakeTimers({ toFake: ['Date'], now: until - 1 });
  onTestFinished(() => void vi.useRealTimers());
  await keeper.apply();
  expect([(await roots()).length, collected.mock.calls.length, events.length]).toEqual([2, 0, 2]);
  vi.setSystemTime(until);
  await keeper.apply();
  expect(await told('dropped')).toMatchObject({ data: { tree, why: 'unproven' } });
  expect([[...ledger.asked.keys()], [...ledger.trees.keys()], await roots()]).toEqual([
    ...[[second], [second], [second]],
  ]);
  expect([withdrawn.mock.calls, collected.mock.calls.length]).toEqual([[[tree]], 1]);
  vi.setSystemTime(later.until);
  await keeper.apply();
  expect([await roots(), ledger.asked.size, collected.mock.calls.length]).toEqual([[], 0, 1]);
  expect((await Ledger.open(file)).trees.size).toBe(0);
});
