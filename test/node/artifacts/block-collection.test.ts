import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startBlockCollection } from '../../../src/node/artifacts/block-collection.ts';
import { openBundles } from '../../../src/node/artifacts/bundles.ts';
import { artifactLimits } from '../../../src/node/artifacts/limits.ts';
import { PinsIncomplete, type Store } from '../../../src/store/index.ts';
import { trimResults } from '../../../src/worker/node/results.ts';
import { deadlineMs } from '../../e2e/support/wait.ts';
import { damage, folder, noiseBytes, reopened, store, tar } from '../../store/support.ts';
import { withLimits } from '../../support/with-limits.ts';
import { node } from '../../transfer/support.ts';

const deadlineSeconds = deadlineMs / 1000;

afterEach(() => void vi.restoreAllMocks());

/** A tree that was brought here two hours ago. */
async function oldTree(into: Store, seed: number, bytes = 100_000): Promise<string> {
  const now = Date.now();
  const clock = vi.spyOn(Date, 'now').mockReturnValue(now - 2 * 3600_000);
  const { root } = await into.importTar(await tar([{ name: 'f', body: noiseBytes(bytes, seed) }]), {
    into: into.public,
  });
  clock.mockRestore();
  return root;
}

describe('a block without a keeper', () => {
  it('is given back at the start, and again after every interval, and what is pinned or new stays', async () => {
    withLimits(artifactLimits, { collectSeconds: 0.05 });
    const s = await store();
    const pinned = await oldTree(s, 1);
    await s.pin([pinned], 'lease');
    const atStart = await oldTree(s, 2);
    const fresh = (await s.importTar(await tar([{ name: 'g', body: 'new' }]), { into: s.public })).root;
    const told: number[] = [];
    const close = startBlockCollection({
      repair: async () => {},
      store: s,
      tell: (_, kind, __, facts) => void (kind === 'collected' && told.push(Number(facts?.blocks))),
    });
    onTestFinished(close);
    await expect.poll(() => told, { timeout: deadlineMs }).toEqual([2]);
    await oldTree(s, 3);
    await expect.poll(() => told, { timeout: deadlineMs }).toEqual([2, 2]);
    await close();
    await oldTree(s, 4);
    let looks = 0;
    const other = startBlockCollection({
      repair: async () => {},
      store: await store(),
      tell: () => {},
      trim: async () => void looks++,
    });
    onTestFinished(other);
    await expect.poll(() => looks, { timeout: deadlineMs }).toBeGreaterThan(3);
    expect(told).toEqual([2, 2]);
    const here = await Promise.all([pinned, atStart, fresh].map((root) => s.has(root)));
    expect(here).toEqual([true, false, true]);
  });

  it('stays while it is being brought here', async () => {
    const s = await store();
    const done = Promise.withResolvers<void>();
    const imported = Promise.withResolvers<void>();
    const bringing = s.blocks.during(async () => {
      const root = await s.importTar(await tar([{ name: 'f', body: 'x' }]), { into: s.public });
      imported.resolve();
      await done.promise;
      return root.root;
    });
    await imported.promise;
    expect((await s.collect({ graceSeconds: -10 })).blocks).toBe(0);
    done.resolve();
    expect(await s.has(await bringing)).toBe(true);
  });

  it('is looked for again when once it could not be', async () => {
    withLimits(artifactLimits, { collectSeconds: 0.02 });
    const s = await store();
    const said: string[] = [];
    let tries = 0;
    const close = startBlockCollection({
      repair: async () => {},
      store: s,
      tell: (_, __, says) => void said.push(says),
      trim: async () => {
        tries += 1;
        if (tries === 1) throw new Error('the disk is busy');
      },
    });
    onTestFinished(close);
    await expect.poll(() => tries, { timeout: deadlineMs }).toBeGreaterThan(2);
    expect(said).toEqual(['collect: the disk is busy']);
  });
});

it('damage that was mended, and what cannot be collected or read through, are told of', async () => {
  withLimits(artifactLimits, { collectSeconds: 2 * deadlineSeconds, scrubSeconds: 0.001 });
  const told: string[] = [];
  const fails = (says: string) => async () => Promise.reject(new Error(says));
  const close = startBlockCollection({
    store: { mended: ['a pin was mended'], collect: fails('no disk'), scrub: fails('no time') } as never,
    repair: async () => {},
    tell: (level, kind, says) => void told.push(`${level} ${kind}: ${says}`),
  });
  onTestFinished(close);
  await expect
    .poll(() => [...new Set(told)].sort(), { timeout: deadlineMs })
    .toEqual([
      'warn collect: collect: no disk',
      'warn damaged: a pin was mended',
      'warn scrub: scrub: no time',
    ]);
});

describe('results of a worker', () => {
  it('that there is no room for are let go, with their proof, unless they were published just now', async () => {
    const s = await store();
    const bundles = openBundles(await folder());
    const mesh = await node();
    const roots = [1, 2, 3].map((seed) => oldTree(s, seed));
    const [old = '', fresh = '', image = ''] = await Promise.all(roots);
    await s.pin([old], 'lease-1');
    await s.pin([fresh], 'lease-2');
    await s.pin([image], 'image');
    const text = JSON.stringify({
      verdict: JSON.stringify({
        payload: Buffer.from(
          JSON.stringify({
            predicate: {
              quorate_verdict: { level: 'trusted', request: 'a'.repeat(64), job: 'b'.repeat(59) },
            },
          }),
        ).toString('base64'),
      }),
    });
    await bundles.put({ run: 'a'.repeat(64), job: 'b'.repeat(59), artifact: old }, text);
    const forgotten: string[] = [];
    const serving = {
      isNew: (root: string) => root === fresh,
      forget: (root: string) => void forgotten.push(root),
    };
    const unprovided = vi.spyOn(mesh, 'unprovide');
    const told: string[] = [];
    const tell = (level: string, _: string, says: string) => void told.push(`${level} ${says}`);
    const signal = AbortSignal.timeout(120_000);
    for (const _ of [1, 2])
      await trimResults({ store: s, bundles, mesh, tell }, serving, { bytesMax: 1000, signal });
    expect(told).toEqual(['info removes the 1 least recently requested results and logs']);
    expect((await s.pins()).map(({ root }) => root).sort()).toEqual([fresh, image].sort());
    expect({ forgotten, unprovided: unprovided.mock.calls }).toEqual({
      forgotten: [old],
      unprovided: [[old]],
    });
    expect(
      await Promise.all([old, 'a'.repeat(64), 'b'.repeat(59)].map((which) => bundles.has(which))),
    ).toEqual([false, false, false]);
  });
});

it('a result that is built again while it is let go of stays announced, and one that cannot be withdrawn is told of', async () => {
  const forgotten: string[] = [];
  const told: string[] = [];
  const context = {
    store: { trim: async () => ['built again', 'gone'] },
    bundles: { dropArtifact: async (root: string) => void forgotten.push(`bundle of ${root}`) },
    mesh: { unprovide: async () => Promise.reject(new Error('no network')) },
    tell: (level: string, _: string, says: string) => void told.push(`${level} ${says}`),
  };
  const forget = (root: string) => void forgotten.push(root);
  const serving = { isNew: (root: string) => root === 'built again', forget };
  await trimResults(context as never, serving, { signal: AbortSignal.timeout(120_000) });
  expect(forgotten).toEqual(['gone', 'bundle of gone']);
  expect(told).toEqual([
    'warn gone stays announced: no network',
    'info removes the 2 least recently requested results and logs',
  ]);
});

it('a pinned tree that is not whole is told of and fetched again, and only then anything is removed', async () => {
  const first = await store();
  const entries = [{ name: 'dir/f', body: noiseBytes(500, 1) }];
  const { root } = await first.importTar(await tar(entries), { into: first.public });
  await first.pin([root], 'run 1');
  const unpinned = await oldTree(first, 2);
  const { cid = '' } = (await first.resolve(root, 'dir')) ?? {};
  await first.close();
  await damage(first.dir, cid);

  const s = await reopened(first.dir);
  // A repair that brought nothing is not waited for as long as a round.
  withLimits(artifactLimits, { collectSeconds: 2 * deadlineSeconds, repairAgainSeconds: 0.02 });
  const told: string[] = [];
  const incomplete: (readonly string[])[] = [];
  let tries = 0;
  const close = startBlockCollection({
    store: s,
    tell: (level, kind) => void told.push(`${level} ${kind}`),
    incomplete: (roots) => void incomplete.push(roots),
    repair: async ({ roots, absent }) => {
      expect({ roots, absent }).toEqual({ roots: [root], absent: new Set() });
      if (tries++ === 0) return;
      expect(await s.has(unpinned)).toBe(true);
      await s.importTar(await tar(entries), { into: s.public });
      told.push('fetched');
    },
  });
  onTestFinished(close);
  // The operator is shown that the first attempt brought nothing.
  await expect.poll(() => incomplete.slice(0, 2), { timeout: deadlineMs }).toEqual([[root], []]);
  expect(told).toEqual(['warn damaged', 'warn damaged', 'fetched']);
  expect(await s.has(root)).toBe(true);
});

it('the store is read through from time to time, and damage is told of', async () => {
  const first = await store();
  const { root } = await first.importTar(await tar([{ name: 'f', body: noiseBytes(500, 1) }]), {
    into: first.public,
  });
  await first.pin([root], 'run 1');
  const { cid = '' } = (await first.resolve(root, 'f')) ?? {};
  await first.close();
  await damage(first.dir, cid);
  withLimits(artifactLimits, { collectSeconds: 60, scrubSeconds: 0.02 });
  const told: string[] = [];
  const close = startBlockCollection({
    store: await reopened(first.dir),
    tell: (_, __, says) => void told.push(says),
    repair: async () => {},
  });
  onTestFinished(close);
  // A collection that runs at the same time may miss the block before that.
  const says = () => told.find((one) => /^1 of \d+ blocks were damaged/.test(one));
  await expect.poll(says, { timeout: deadlineMs }).toBeDefined();
});

it('an incomplete tree is looked at ever less often, up to once in a round, and sooner again the next time', async () => {
  withLimits(artifactLimits, { collectSeconds: 0.1, repairAgainSeconds: 0.03, scrubSeconds: 0.007 });
  const waits: number[] = [];
  const enough = Promise.withResolvers<void>();
  vi.spyOn(timers, 'setTimeout').mockImplementation(async (ms, value, options) => {
    const isRound = ms !== 7;
    if (isRound) waits.push(ms ?? 0);
    if (waits.length === 6) enough.resolve();
    if (!isRound || waits.length === 6)
      await new Promise((resolve) => options?.signal?.addEventListener('abort', resolve));
    return value as never;
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  });
  const told: string[] = [];
  const close = startBlockCollection({
    store: {
      mended: [],
      collect: async () => {
        if (waits.length === 4) return { blocks: 0, bytes: 0 };
        throw new PinsIncomplete(['a'], new Set(['a']));
      },
    } as unknown as Store,
    tell: (level, kind) => void told.push(`${level} ${kind}`),
    repair: async () => {},
  });
  await enough.promise;
  await close();
  expect(waits).toEqual([30, 60, 100, 100, 100, 30]);
  expect(new Set(told)).toEqual(new Set(['info absent']));
});
