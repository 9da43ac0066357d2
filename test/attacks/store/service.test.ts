import { describe, expect, it } from 'vitest';
import { probe } from '../../../src/controller/node/store-ports.ts';
import { revokedUnread } from '../../../src/protocol/trust/revocations.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { AskedTrees } from '../../../src/store-node/node/asked.ts';
import { storeNodeLimits } from '../../../src/store-node/node/limits.ts';
import { keepAll, keeping, peer, verdictOn } from '../../store-node/node/support.ts';
import { keyRevoked, project, testKey, trusted, workerKey } from '../../support/project.ts';

/** A store that keeps a trusted tree of an honest peer. */
async function keptTree({ bytes = 0, quotaBytes = keepAll.quotaBytes } = {}) {
  const honest = await peer();
  const tree = await honest.add('good', bytes);
  const { run, text } = await verdictOn(tree);
  honest.bundles.set(run, text);
  const store = await keeping([honest], { ...keepAll, quotaBytes });
  store.keeper.hint({ run, tree, level: 'trusted' });
  await store.told('kept');
  return { honest, store, tree, run, text };
}

/** With these revoked, too few receipts are left for any level. */
const enough = [trusted, workerKey('ada'), workerKey('bob')].map(({ id }) => keyRevoked(id, 0));

describe('a store that is told of a verdict', () => {
  it('keeps the tree whose bundle holds, and serves it with its bundle: the control', async () => {
    const { store, tree, run, text } = await keptTree();
    expect(await store.told('kept')).toMatchObject({ data: { run, tree, level: 'trusted' } });
    expect(await store.roots()).toEqual([tree]);
    expect(await store.context.bundles.get(tree)).toBe(text);
  });

  it('fetches and pins nothing of one whose bundle does not hold', async () => {
    const liar = await peer();
    const tree = await liar.add('evil');
    const forged = [
      // Of nobody but its own root key.
      await verdictOn(tree, { keys: { root: testKey('another root') } }),
      // Operators that no identity provider admitted.
      await verdictOn(tree, { keys: { idp: testKey('another idp') } }),
      // Fewer than the policy asks for.
      await verdictOn(tree, {
        runs: [{ operator: 'ada', outcome: { kind: 'exit', code: 0, artifact: tree } }],
        own: null,
        level: 'agreed',
      }),
    ];
    let asked = 0;
    await liar.mesh.libp2p.unhandle(protocols.car);
    liar.mesh.handle(
      protocols.car,
      async () => {
        asked++;
      },
      { maxInboundStreams: 8, maxMessageBytes: 1024 },
    );
    const store = await keeping([liar]);
    for (const { run, text } of forged) liar.bundles.set(run, text);
    for (const { run } of forged) store.keeper.hint({ run, tree, level: 'trusted' });
    await store.told('unproven');
    expect(asked).toBe(0);
    expect(await store.roots()).toEqual([]);
    expect(store.context.ledger.entries.size).toBe(0);
  });

  it('keeps it at the level that the bundle proves, whatever it was told', async () => {
    const liar = await peer();
    const tree = await liar.add('only agreed');
    const { run, text } = await verdictOn(tree, { own: null, level: 'agreed' });
    liar.bundles.set(run, text);
    const store = await keeping([liar]);
    store.keeper.hint({ run, tree, level: 'trusted' });
    expect(await store.told('kept')).toMatchObject({ data: { level: 'agreed' } });
    expect([...store.context.ledger.entries.values()]).toMatchObject([{ level: 'agreed' }]);
  });

  it('keeps nothing for a bundle of another tree, or of another run, than was told', async () => {
    const liar = await peer();
    const [told, other] = [await liar.add('told'), await liar.add('other')];
    const { run, text } = await verdictOn(other);
    liar.bundles.set(run, text);
    liar.bundles.set('f'.repeat(64), text);
    const store = await keeping([liar]);
    store.keeper.hint({ run, tree: told, level: 'trusted' });
    store.keeper.hint({ run: 'f'.repeat(64), tree: other, level: 'trusted' });
    await store.told('unproven');
    expect(await store.roots()).toEqual([]);
  });
});

describe('a peer that serves wrong bytes to a store', () => {
  it('is found out by the hash: nothing is half pinned, and the tree comes from another', async () => {
    const liar = await peer();
    const tree = await liar.add('good');
    const { run, text } = await verdictOn(tree);
    liar.bundles.set(run, text);
    await liar.mesh.libp2p.unhandle(protocols.car);
    liar.mesh.handle(
      protocols.car,
      async (channel) => {
        await channel.receive({ timeoutMs: 10_000 });
        await channel.send(Buffer.alloc(4096, 7));
      },
      { maxInboundStreams: 8, maxMessageBytes: 128 * 1024, maxSendBytes: 8192 },
    );
    const honest = await peer();
    const store = await keeping([liar]);
    store.keeper.hint({ run, tree, level: 'trusted' });
    expect((await store.told('unproven')).says).toMatch(/CAR_MALFORMED/);
    expect(await store.roots()).toEqual([]);
    expect(await store.context.bundles.get(tree)).toBeUndefined();
    await honest.add('good');
    store.context.watch.controllers.push({ id: honest.mesh.id, addrs: honest.mesh.addresses() });
    await store.context.mesh.connect(honest.mesh.addresses());
    await store.told('kept');
    expect(await store.roots()).toEqual([tree]);
  });
});

describe('the quota of a store', () => {
  const quota = 2 ** 20;

  it('is taken by verdicts of the project only, and a tree above it displaces nothing', async () => {
    const { honest: mallory, store, tree: good } = await keptTree({ bytes: 600_000, quotaBytes: quota });
    const foreign = await mallory.add('foreign', 500_000);
    const stranger = await verdictOn(foreign, { keys: { root: testKey('stranger') } });
    mallory.bundles.set(stranger.run, stranger.text);
    store.keeper.hint({ run: stranger.run, tree: foreign, level: 'trusted' });
    const huge = await mallory.add('huge', 2 * quota);
    const above = await verdictOn(huge);
    mallory.bundles.set(above.run, above.text);
    store.keeper.hint({ run: above.run, tree: huge, level: 'trusted' });
    await store.told('unproven');
    expect(await store.roots()).toEqual([good]);
  });

  it('goes to what is worth more: an agreed tree makes room for a trusted one, wholly', async () => {
    const honest = await peer();
    const agreed = await honest.add('agreed', 600_000);
    const trustedTree = await honest.add('trusted', 600_000);
    const first = await verdictOn(agreed, { own: null, level: 'agreed' });
    const second = await verdictOn(trustedTree);
    for (const { run, text } of [first, second]) honest.bundles.set(run, text);
    const store = await keeping([honest], { ...keepAll, quotaBytes: quota });
    store.keeper.hint({ run: first.run, tree: agreed, level: 'agreed' });
    await store.told('kept');
    store.keeper.hint({ run: second.run, tree: trustedTree, level: 'trusted' });
    expect(await store.told('dropped')).toMatchObject({ data: { tree: agreed, why: 'quota' } });
    expect(await store.roots()).toEqual([trustedTree]);
    expect(await store.context.bundles.get(first.run)).toBeUndefined();
  });
});

it('a revocation that voids a verdict takes the tree out of the store', async () => {
  const { store, tree, run } = await keptTree();
  store.revoked.push(...enough);
  await store.keeper.review();
  expect(store.events.map(({ kind }) => kind)).toContain('fallen');
  expect(await store.told('dropped')).toMatchObject({ data: { tree, why: 'unproven' } });
  expect(await store.roots()).toEqual([]);
  expect(await store.context.bundles.get(run)).toBeUndefined();
});

it('a revocation that this version cannot read, by a stolen identity provider’s key, takes nothing out of the store: the root ends that key', async () => {
  const { store, tree } = await keptTree();
  store.revoked.push(revokedUnread(project, false));
  await store.keeper.review();
  expect(await store.roots()).toEqual([tree]);
  expect(store.events.map(({ kind }) => kind)).toContain('newer');
  // Control: what is revoked in a version that it reads goes, see above; and this too, once it reads that one.
  store.revoked.splice(0, 1, ...enough);
  await store.keeper.review();
  expect(await store.roots()).toEqual([]);
});

it('a tree that a stolen identity provider’s key revokes is held for a week, and is kept again when the root ends that key', async () => {
  const { store, tree, run } = await keptTree();
  const thief = ['ada', 'bob', 'cyd'].map((operator) => keyRevoked(workerKey(operator).id, 0, false));
  store.revoked.push(...thief);
  await store.keeper.review();
  expect(await store.told('fallen')).toMatchObject({ data: { tree, held: true } });
  expect([await store.roots(), store.context.ledger.of(tree)]).toEqual([[tree], []]);
  // The end of that key takes them back.
  store.revoked.splice(0, thief.length);
  await store.keeper.review();
  expect(await store.told('stands')).toMatchObject({ data: { run, tree } });
  expect(store.context.ledger.of(tree)).toMatchObject([{ run }]);
  // Control: the key is not ended.
  store.revoked.push(...thief);
  await store.keeper.review();
  store.context.ledger.asked.set(tree, Date.now() - 1);
  await store.keeper.apply();
  expect(await store.roots()).toEqual([]);
});

it('a publisher that has one artifact answered again and again fills no store with its bundles', async () => {
  const { honest, store, tree, run, text } = await keptTree();
  const { bundles, ledger } = store.context;
  const entry = ledger.entries.get(run);
  const bytes = () => ledger.trees.get(tree)?.bytes ?? 0;
  if (entry === undefined) throw new Error('it is kept');
  const alone = bytes();
  const beside = ledger.trees.get(tree)?.beside ?? [];
  // Older ones, as many as there is room for.
  const { entriesPerTreeMax } = storeNodeLimits;
  const others = Array.from({ length: entriesPerTreeMax }, (_, n) => String(n).padStart(64, '0'));
  ledger.entries.clear();
  for (const [n, other] of others.entries()) {
    ledger.add({ ...entry, run: other, decidedAt: n });
    await bundles.put({ run: other, job: entry.job, artifact: null }, 'x'.repeat(1_000));
  }
  ledger.trees.set(tree, { bytes: alone + 1_000 * others.length, beside });
  await store.keeper.inTurn(async () => {});

  store.keeper.hint({ run, tree, level: 'trusted' });
  await expect.poll(() => ledger.entries.has(run)).toBe(true);
  await expect.poll(() => bundles.size(others[1] ?? '')).toBeUndefined();
  const left = [others[0], ...others.slice(2), run];
  expect([...ledger.entries.keys()]).toEqual(left);
  for (const one of left) expect(await bundles.size(one ?? '')).toBeDefined();
  expect(bytes()).toBe(alone + 1_000 * (others.length - 1) + text.length);

  // The one that made room is not looked at again.
  const asked: string[] = [];
  const get = honest.bundles.get.bind(honest.bundles);
  honest.bundles.get = (which) => {
    asked.push(which);
    return get(which);
  };
  const unknown = 'f'.repeat(64);
  for (const one of [others[1] ?? '', unknown]) store.keeper.hint({ run: one, tree, level: 'trusted' });
  await expect.poll(() => asked).toContain(unknown);
  expect(asked).not.toContain(others[1]);
});

describe('a tree that a controller asks a store to hold', () => {
  it('takes no room of trusted trees, and is over with its day', async () => {
    const { honest, store, tree: good } = await keptTree({ bytes: 600_000, quotaBytes: 2 ** 20 });
    const asked = new AskedTrees(store.context, store.keeper);
    const from = [{ id: honest.mesh.id, addrs: honest.mesh.addresses() }];
    const ask = (tree: string, maxBytes: number) => asked.pin({ run: 'a'.repeat(64), tree, maxBytes, from });
    const [fits, large] = [await honest.add('fits', 300_000), await honest.add('large', 600_000)];
    await expect(ask(large, 2 ** 30)).rejects.toMatchObject({ code: 'STORE_QUOTA' });
    await ask(fits, 2 ** 30);
    expect((await store.roots()).sort()).toEqual([fits, good].sort());
    // No more than a build of that run could have made, whatever room there is.
    await expect(ask(await honest.add('other', 100_000), 1_000)).rejects.toMatchObject({
      code: 'STORE_TREE_TOO_LARGE',
    });
    store.context.ledger.asked.set(fits, Date.now() - 1);
    await store.keeper.apply();
    expect(await store.roots()).toEqual([good]);
    expect(await store.told('dropped')).toMatchObject({ data: { tree: fits, why: 'unproven' } });
  });
});

describe('a store that says it keeps what it does not have', () => {
  it('is not counted, also after another store has shown the same tree', async () => {
    const [honest, liar] = [await peer(), await peer()];
    const tree = await honest.add('good', 3_000_000);
    const { context } = await keeping([honest, liar]);
    const { signal } = new AbortController();
    const addressOf = ({ mesh }: typeof honest) => ({ id: mesh.id, addrs: mesh.addresses() });
    await probe(context, addressOf(honest), tree, signal);
    await expect(probe(context, addressOf(liar), tree, signal)).rejects.toMatchObject({
      code: 'TRANSFER_FAILED',
    });
    // And nothing was kept of it.
    expect(await context.store.has(tree)).toBe(false);
  });
});
