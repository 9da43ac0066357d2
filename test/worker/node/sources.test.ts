import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Job } from '../../../src/protocol/documents/index.ts';
import { CheckoutAhead } from '../../../src/worker/node/checkout-ahead.ts';
import type { WorkerContext } from '../../../src/worker/node/context.ts';
import { workerNodeLimits } from '../../../src/worker/node/limits.ts';
import { Sources } from '../../../src/worker/node/sources.ts';
import { hostOf } from '../../source/confined.ts';
import { commitAll, repo, serve } from '../../source/support.ts';
import { store } from '../../store/support.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { withLimits } from '../../support/with-limits.ts';

const MiB = 2 ** 20;
const signal = AbortSignal.timeout(240_000);

/** Sources of a worker, and a server with so many commits of one file. */
async function place(commits: number) {
  const dir = await repo();
  const ids: string[] = [];
  for (let n = 0; n < commits; n++) {
    await writeFile(join(dir, 'f'), `${n}`.repeat(1_000));
    ids.push(commitAll(dir));
  }
  const url = await serve(dir);
  const [home, own] = [await folder(), await store()];
  const told: string[] = [];
  const sources = new Sources({
    dir: home,
    store: own,
    bandwidth: undefined,
    credentials: { charter: { vcs: [hostOf(url)] } },
    tell: (...words: string[]) => void told.push(words.join(' ')),
  } as unknown as WorkerContext);
  const said: string[] = [];
  const trees = new Map<string, string>();
  const jobOf = (n: number, diskBytes = MiB): Job => {
    const commit = ids[n] ?? 'ab'.repeat(20);
    const limits = { cpus: 1, memoryBytes: 512 * MiB, diskBytes };
    return { source: { url, commit, tree: trees.get(commit) ?? '' }, limits } as Job;
  };
  const open = (n: number, diskBytes?: number, more: Partial<Job> = {}) =>
    sources.open({ ...jobOf(n, diskBytes), ...more }, 'main', {
      signal,
      say: (text) => void said.push(text),
    });
  /** Takes what the commit holds as what its job says. */
  const learn = async (n: number) => {
    const error = await open(n).catch((one: Error) => one);
    const [, tree = ''] = /holds tree (\w+),/.exec(String(error)) ?? [];
    trees.set(ids[n] ?? '', tree);
    return error as { code?: string };
  };
  const areas = async () => (await own.sealedNames()).length;
  const fetched = () => said.splice(0).filter((text) => text.startsWith('fetching')).length;
  const left = async () => (await readdir(home)).filter((name) => name.startsWith('tmp-'));
  onTestFinished(() => sources.close());
  return { ids, sources, store: own, open, learn, areas, fetched, left, told };
}

it('a source is fetched once for builds of one commit, and is what the job says', async () => {
  const { sources, open, learn, areas, fetched, left, told, store: own } = await place(1);
  expect(await learn(0)).toMatchObject({ code: 'SOURCE_TREE_MISMATCH' });
  expect([fetched(), await areas()]).toEqual([1, 1]);
  const [first, second] = [await open(0), await open(0)];
  expect([fetched(), first.area.name, first.git]).toEqual([0, second.area.name, undefined]);
  expect(first.committedSeconds).toBe(Date.parse('2026-01-01T00:00:00Z') / 1000);
  await first.close();
  await second.close();
  expect(await areas()).toBe(1);
  // A source of more than a job may use is fetched under the limits of that job.
  await (await open(0, 1_000)).close();
  expect(fetched()).toBe(0);
  expect(await codeOf(() => open(0, 999))).toBe('SOURCE_TOO_LARGE');
  expect([fetched(), await areas()]).toEqual([1, 1]);
  await sources.close();
  expect([await own.sealedNames(), await left(), told]).toEqual([[], [], []]);
});

it('a git folder with another tag is another source', async () => {
  const { ids, open, learn, fetched } = await place(1);
  await learn(0);
  const plain = await open(0);
  const gits: (string | undefined)[] = [];
  for (const git of [{}, { tag: { name: 'v1', object: ids[0] ?? '' } }, {}]) {
    const source = await open(0, MiB, { git });
    gits.push(source.git);
    await source.close();
  }
  await plain.close();
  expect([plain.git, gits[0], gits[2]]).toEqual([undefined, expect.stringMatching(/^bafy/), gits[0]]);
  expect(gits[1]).not.toBe(gits[0]);
  expect(fetched()).toBe(3);
});

it('of two builds that fetch one commit at the same time one source is kept, once both have ended', async () => {
  const { open, learn, areas, fetched, sources } = await place(1);
  await learn(0);
  await sources.close();
  fetched();
  const [first, second] = await Promise.all([open(0), open(0)]);
  expect([fetched(), await areas()]).toEqual([2, 2]);
  await first.close();
  await second.close();
  expect(await areas()).toBe(1);
});

it('the sources that were used longest ago make room for others, but for those that are read', async () => {
  withLimits(workerNodeLimits, { sourcesKeptMax: 2 });
  const { open, learn, areas, fetched } = await place(3);
  for (const n of [0, 1]) await learn(n);
  const read = await open(0);
  expect(await areas()).toBe(2);
  await learn(2);
  // The first is read, the second was used before the third.
  expect([fetched(), await areas()]).toEqual([3, 2]);
  const third = await open(2);
  expect(fetched()).toBe(0);
  await read.close();
  await third.close();
  expect(await areas()).toBe(2);
  withLimits(workerNodeLimits, { sourcesKeptBytesMax: 1_000 });
  const last = await open(0);
  await last.close();
  expect([fetched(), await areas()]).toEqual([0, 1]);
  await (await open(0)).close();
  expect(fetched()).toBe(0);
});

it('a commit that is not there is an error, and leaves nothing', async () => {
  const { sources, open, areas, left } = await place(0);
  expect(await codeOf(() => open(0))).toMatch(/^SOURCE_/);
  await sources.close();
  expect([await areas(), await left()]).toEqual([0, []]);
});

it('a sandbox for the next commit that cannot be started leaves nothing', async () => {
  const dir = await folder();
  await writeFile(join(dir, 'sandbox'), 'no folder');
  const ahead = new CheckoutAhead({ dir, tell: () => {} });
  await expect(ahead.start({ cpus: 1, memoryBytes: 512 * MiB })).rejects.toThrow(Error);
  expect(await readdir(dir)).toEqual(['sandbox']);
  await ahead.drop();
});
