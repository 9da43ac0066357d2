import { expect, it, onTestFinished, vi } from 'vitest';
import { Announcements } from '../../src/mesh/announcements.ts';
import { meshLimits } from '../../src/mesh/limits.ts';
import { waitsOf } from '../support/waits-of.ts';
import { withLimits } from '../support/with-limits.ts';

const aMinute = 60_000;

/** Announcements whose walks are noted, and fail while told to. */
function announcing(betweenMs?: number) {
  if (betweenMs !== undefined) withLimits(meshLimits, { betweenAnnouncementsMs: betweenMs });
  const walks: { cid: string; began: number; ended: number }[] = [];
  const to = { fail: false };
  const announcements = new Announcements(async (cid) => {
    const began = performance.now();
    await new Promise((resolve) => setImmediate(resolve));
    walks.push({ cid, began, ended: performance.now() });
    if (to.fail) throw new Error('no peer');
  });
  return { announcements, walks, to };
}
const cids = (walks: readonly { cid: string }[]) => walks.map(({ cid }) => cid);

it('walks once for a CID, however often and by how many it is asked for, until it is served no more', async () => {
  const { announcements, walks } = announcing(0);
  await Promise.all([announcements.of('a'), announcements.of('a')]);
  await announcements.of('a');
  expect(cids(walks)).toEqual(['a']);
  announcements.forget('a');
  await announcements.of('a');
  expect(cids(walks)).toEqual(['a', 'a']);
});

it('walks again for one that no peer took', async () => {
  const { announcements, walks, to } = announcing(0);
  to.fail = true;
  await expect(announcements.of('a')).rejects.toThrow('no peer');
  to.fail = false;
  await announcements.of('a');
  expect(cids(walks)).toEqual(['a', 'a']);
});

it('remembers so many, and forgets the oldest first', async () => {
  const { announcements, walks } = announcing(0);
  const many = Array.from({ length: 10_001 }, (_, n) => String(n));
  await Promise.all(many.map((cid) => announcements.of(cid)));
  await announcements.of('1');
  expect(walks).toHaveLength(many.length);
  await announcements.of('0');
  expect(walks).toHaveLength(many.length + 1);
});

it('begins the next walk a while after the last one ended, also after one that failed', async () => {
  const { announcements, walks, to } = announcing(40);
  to.fail = true;
  await Promise.allSettled(['a', 'b', 'c'].map((cid) => announcements.of(cid)));
  expect(cids(walks)).toEqual(['a', 'b', 'c']);
  // Timers may fire a millisecond early.
  for (const [at, { began }] of walks.slice(1).entries())
    expect(began - (walks[at]?.ended ?? 0)).toBeGreaterThanOrEqual(39);
});

it('does not wait while many do', async () => {
  const { announcements, walks } = announcing(aMinute);
  const many = Array.from({ length: 103 }, (_, n) => String(n));
  const all = many.map((cid) => announcements.of(cid));
  await Promise.all(all.slice(0, 3));
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
  expect(cids(walks)).toEqual(['0', '1', '2']);
  announcements.close();
  await Promise.all(all);
});

it('and not when the mesh is closed', async () => {
  const { announcements, walks } = announcing(aMinute);
  const all = ['a', 'b', 'c'].map((cid) => announcements.of(cid));
  await all[0];
  announcements.close();
  await Promise.all(all);
  expect(walks).toHaveLength(3);
});

it('gives a walk twenty seconds, and waits a second between two, where it is not told otherwise', async () => {
  const waits = waitsOf(1_000);
  const timeout = vi.spyOn(AbortSignal, 'timeout');
  onTestFinished(() => timeout.mockRestore());
  const { announcements, walks } = announcing();
  await announcements.of('a');
  await announcements.of('b');
  expect(cids(walks)).toEqual(['a', 'b']);
  expect(waits.count).toBe(2);
  expect(timeout.mock.calls).toEqual([[20_000], [20_000]]);
});
