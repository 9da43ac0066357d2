import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { Redialer } from '../../src/mesh/redialer.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
});

/** A redialer of one bootstrap node, which can be reached or not, and what it did. */
function redialer() {
  const world = { isUp: true, isConnected: false, looks: 0, dials: 0 };
  const made = new Redialer(
    {
      dial: async () => {
        world.dials += 1;
        if (!world.isUp) throw new Error('nobody there');
        world.isConnected = true;
      },
      isConnected: () => world.isConnected,
      neighbours: () => {
        world.looks += 1;
        return 0;
      },
      remembered: () => [],
    },
    [{ id: 'bootstrap', addrs: [] }],
  );
  onTestFinished(() => made.close());
  const lose = () => {
    world.isConnected = false;
    made.onDisconnected('bootstrap');
  };
  return { made, world, lose };
}

it('dials a lost peer again within two seconds, and does little while none is lost', async () => {
  const { world, lose } = redialer();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(world.dials).toBe(1);
  expect(world.looks).toBeLessThan(10);
  lose();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(world.dials).toBe(2);
});

it('dials a lost peer again while others come and go ten times a second', async () => {
  const { made, world, lose } = redialer();
  await vi.advanceTimersByTimeAsync(1_000);
  lose();
  for (let n = 0; n < 20; n += 1) {
    made.onDisconnected(`other ${n}`);
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(world.dials).toBe(2);
});

it('waits longer after each failure, at most a bit more than a minute', async () => {
  const { world, lose } = redialer();
  await vi.advanceTimersByTimeAsync(1_000);
  world.isUp = false;
  lose();
  await vi.advanceTimersByTimeAsync(10 * 60_000);
  expect(world.dials).toBeGreaterThan(10);
  expect(world.dials).toBeLessThan(30);
});
