import { describe, expect, it, vi } from 'vitest';
import { pullArtifact } from '../../src/node/artifacts/transfer.ts';
import type { Pin, Store } from '../../src/store/index.ts';
import { serving } from '../transfer/support.ts';
import { noiseBytes, pair, reopened, store, tar } from './support.ts';

const size = 100_000;

/** Pinned trees of one file each, the first used longest ago. */
async function trees(s: Store & { dir: string }, count: number): Promise<string[]> {
  const roots: string[] = [];
  for (let n = 0; n < count; n++) {
    const seconds = (count - n) * 1000;
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() - seconds * 1000);
    const { root } = await s.importTar(await tar([{ name: 'f', body: noiseBytes(size, n + 1) }]), {
      into: s.public,
    });
    await s.pin([root], `lease-${n}`);
    clock.mockRestore();
    roots.push(root);
  }
  return roots;
}

const all = { counts: () => true, stays: () => false };
const pinned = async (s: Store): Promise<string[]> => (await s.pins()).map(({ root }) => root).sort();

describe('trees for which there is no room', () => {
  it('go, the one used longest ago first, and no more than have to', async () => {
    const s = await store();
    const roots = await trees(s, 4);
    expect(await s.trim({ bytesMax: 4.5 * size, ...all })).toEqual([]);
    expect((await s.trim({ bytesMax: 2.5 * size, ...all })).sort()).toEqual(roots.slice(0, 2).sort());
    expect(await pinned(s)).toEqual(roots.slice(2).sort());
    await s.collect({ graceSeconds: -10 });
    expect(await Promise.all(roots.map((root) => s.has(root)))).toEqual([false, false, true, true]);
  });

  it('stay where they are needed, and where they do not count', async () => {
    const s = await store();
    const roots = await trees(s, 3);
    const [first = '', second = ''] = roots;
    await s.pin([second], 'image');
    const counts = ({ names }: Pin) => !names.includes('image');
    const gone = await s.trim({ bytesMax: size / 2, counts, stays: ({ root }) => root === first });
    expect(gone).toEqual([roots[2]]);
    expect(await pinned(s)).toEqual([first, second].sort());
  });

  it('count what they share once', async () => {
    const s = await store();
    const body = noiseBytes(size, 1);
    for (const name of ['a', 'b', 'c']) {
      const { root } = await s.importTar(await tar([{ name, body }]), { into: s.public });
      await s.pin([root], name);
    }
    expect(await s.trim({ bytesMax: 1.5 * size, ...all })).toEqual([]);
  });

  it('stay longer when somebody asked for them by our own protocol', async () => {
    const [from, to] = [await serving(), await serving()];
    const roots = await trees(from.store, 2);
    await to.mesh.connect(from.mesh.addresses());
    await pullArtifact(to, roots[0] ?? '', { from: [from.mesh.id], signal: AbortSignal.timeout(120_000) });
    expect(await from.store.trim({ bytesMax: 1.5 * size, ...all })).toEqual([roots[1]]);
  });

  it('stay longer when somebody asked for them by Bitswap, also after a restart', async () => {
    const [a, b] = await pair();
    const first = await store();
    const roots = await trees(first, 2);
    await first.close();
    const from = await reopened(first.dir, a);
    const to = await store(b);
    await to.pull(roots[0] ?? '', { from: [a.peerId.toString()] });
    expect(await from.trim({ bytesMax: 1.5 * size, ...all })).toEqual([roots[1]]);
  });
});

describe('a tree that somebody has just seen to be here', () => {
  it('outlives a collection, so that it can be pinned or read next', async () => {
    const s = await store();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() - 2 * 3600_000);
    const add = async (body: string) =>
      (await s.importTar(await tar([{ name: 'f', body }]), { into: s.public })).root;
    const [seen, unseen] = [await add('1'), await add('2')];
    clock.mockRestore();
    expect(await s.has(seen)).toBe(true);
    await s.collect();
    expect([await s.has(seen), await s.has(unseen)]).toEqual([true, false]);
  });
});
