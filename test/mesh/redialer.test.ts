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
  expect(world.looks).toBeGreaterThan(4);
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

/** A redialer of several peers, the dials of it with their times, and what becomes of them. */
function dialling(bootstrap: string[], remembered: string[], neighbours = 0) {
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  onTestFinished(() => void vi.restoreAllMocks());
  const known = remembered.map((id) => ({ id, addrs: ['/seen'], seen: 1, dialled: true }));
  const dials: { id: string; addrs: string[]; at: number; end(isReached: boolean): void }[] = [];
  const connected = new Set<string>();
  const made = new Redialer(
    {
      dial: ({ id, addrs }) =>
        new Promise<void>((resolve, reject) => {
          const end = (isReached: boolean) => {
            if (!isReached) return reject(new Error('nobody there'));
            connected.add(id);
            resolve();
          };
          dials.push({ id, addrs, at: performance.now(), end });
        }),
      isConnected: (id) => connected.has(id),
      neighbours: () => neighbours,
      remembered: () => known,
    },
    bootstrap.map((id) => ({ id, addrs: ['/configured'] })),
  );
  onTestFinished(() => made.close());
  return { made, dials, connected, known, ids: () => dials.map(({ id }) => id) };
}

it('dials four at once, and the next when one has ended', async () => {
  const { dials, ids } = dialling(['a', 'b', 'c', 'd', 'e', 'f'], []);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ids()).toEqual(['a', 'b', 'c', 'd']);
  dials[1]?.end(true);
  await vi.advanceTimersByTimeAsync(250);
  expect(ids().slice(4)).toEqual(['e']);
  dials[0]?.end(false);
  await vi.advanceTimersByTimeAsync(250);
  expect(ids().slice(5)).toEqual(['f']);
});

it.each([
  [7, ['first', 'seen']],
  [8, ['first']],
])('with %i neighbours dials %j', async (neighbours, dialled) => {
  const { ids } = dialling(['first'], ['seen'], neighbours);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ids()).toEqual(dialled);
});

it.each([
  ['first', [1, 2, 4, 8, 16, 32, 60, 60]],
  ['seen', [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]],
])('waits longer after each failure of the peer "%s", up to a bound', async (id, seconds) => {
  const { dials } = dialling(id === 'first' ? [id] : [], id === 'seen' ? [id] : []);
  for (const [n, wait] of seconds.entries()) {
    expect(dials).toHaveLength(n + 1);
    dials[n]?.end(false);
    await vi.advanceTimersByTimeAsync(wait * 1_000);
    expect((dials[n + 1]?.at ?? 0) - (dials[n]?.at ?? 0)).toBe(wait * 1_000);
  }
});

it('waits as at first once a peer was reached', async () => {
  const { made, dials, connected } = dialling(['first'], []);
  for (let n = 0; n < 5; n++) {
    dials[n]?.end(false);
    await vi.advanceTimersByTimeAsync(2 ** n * 1_000);
  }
  dials[5]?.end(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(dials).toHaveLength(6);
  connected.clear();
  made.onDisconnected('first');
  await vi.advanceTimersByTimeAsync(1_000);
  dials[6]?.end(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(dials).toHaveLength(8);
});

it('dials a first peer where it was seen too, and others where they were seen last', async () => {
  const { made, dials, connected, known } = dialling(['first'], ['first', 'seen']);
  expect(dials.map(({ addrs }) => addrs)).toEqual([['/configured', '/seen'], ['/seen']]);
  for (const { end } of dials) end(true);
  await vi.advanceTimersByTimeAsync(0);
  known.push({ id: 'new', addrs: ['/new'], seen: 2, dialled: true });
  for (const one of known) one.addrs = ['/moved'];
  connected.clear();
  for (const id of ['first', 'seen']) made.onDisconnected(id);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(dials.slice(2).map(({ id, addrs }) => [id, ...addrs])).toEqual([
    ['new', '/moved'],
    ['first', '/configured', '/moved'],
    ['seen', '/moved'],
  ]);
});

it('knows 400 peers, the first ones among them, and forgets those that it knew first', async () => {
  const many = Array.from({ length: 400 }, (_, n) => `peer ${n}`);
  const { dials, ids } = dialling(['first'], many);
  for (let n = 0; n < 450; n++) {
    for (const { end } of dials) end(true);
    await vi.advanceTimersByTimeAsync(250);
  }
  expect(ids()).toEqual(['first', ...many.slice(1)]);
});

it('dials nobody once it is closed', async () => {
  const { made, dials } = dialling(['a'], []);
  made.close();
  expect(vi.getTimerCount()).toBe(0);
  dials[0]?.end(false);
  made.onDisconnected('a');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(dials).toHaveLength(1);
});
