import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { ProjectDiscovery } from '../../src/mesh/project-discovery.ts';

const minuteMs = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
});

/** A node that knows one other member, and how often it searched the DHT and announced itself there. */
function discovery() {
  const counts = { searches: 0, announcements: 0 };
  const made = new ProjectDiscovery('root', {
    bootstrap: () => ['bootstrap'],
    ask: async () => [{ id: 'member', addrs: [] }],
    provide: async () => {
      counts.announcements += 1;
    },
    async *findProviders() {
      counts.searches += 1;
      yield* [];
    },
    dial: async () => {},
    isConnected: () => true,
  });
  onTestFinished(() => made.close());
  return { made, counts };
}

it('goes on searching with few members, and is announced once while no peer comes or goes', async () => {
  const { counts } = discovery();
  await vi.advanceTimersByTimeAsync(8 * minuteMs);
  expect(counts.searches).toBeGreaterThan(4);
  expect(counts.announcements).toBe(1);
  await vi.advanceTimersByTimeAsync(8 * minuteMs);
  expect(counts.announcements).toBe(2);
});

it('is announced anew after a peer came or went, which may have held the record', async () => {
  const { made, counts } = discovery();
  await vi.advanceTimersByTimeAsync(3 * minuteMs);
  made.hurry();
  await vi.advanceTimersByTimeAsync(2 * minuteMs);
  expect(counts.announcements).toBe(2);
});

it('goes on with the next round after one that failed', async () => {
  let rounds = 0;
  const made = new ProjectDiscovery('root', {
    bootstrap: () => ['bootstrap'],
    ask: async () => [{ id: `member ${++rounds}`, addrs: [] }],
    provide: async () => {},
    async *findProviders() {
      yield* [];
    },
    dial: async () => {},
    isConnected(id) {
      if (id === 'member 1') throw new Error('it is no peer');
      return false;
    },
  });
  onTestFinished(() => made.close());
  await vi.advanceTimersByTimeAsync(minuteMs);
  expect(rounds).toBeGreaterThan(2);
});
