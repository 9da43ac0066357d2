import { expect, it } from 'vitest';
import type { QuorateError } from '../../../src/core/errors.ts';
import { AskedTrees } from '../../../src/runtime/store/asked.ts';
import { storeNodeLimits } from '../../../src/runtime/store/limits.ts';
import { codeOf } from '../support.ts';
import { keepAll, keeping, peer } from './support.ts';

/** A store with this quota that is asked for trees which a peer has. */
async function asking(quotaBytes: number) {
  const honest = await peer();
  const kept = await keeping([], { ...keepAll, quotaBytes });
  const asked = new AskedTrees(kept.context, kept.keeper);
  const from = [{ id: honest.mesh.id, addrs: honest.mesh.addresses() }];
  const pin = (tree: string, maxBytes: number) => asked.pin({ run: 'f'.repeat(64), tree, maxBytes, from });
  const failed = (tree: string, maxBytes: number) =>
    pin(tree, maxBytes).then(
      () => undefined,
      (error: QuorateError) => [error.code, (error.cause as QuorateError | undefined)?.code],
    );
  return { ...kept, honest, pin, failed };
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
