import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ProjectDiscovery, type ProjectPorts } from '../../src/mesh/project-discovery.ts';

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

/** A node in a world that the test describes; the times of what it does, in an order without chance. */
function discovering(over: Partial<ProjectPorts> = {}) {
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  onTestFinished(() => void vi.restoreAllMocks());
  const connected = new Set<string>();
  const started = performance.now();
  const now = () => performance.now() - started;
  const asked: { peer: string; at: number; signal: AbortSignal }[] = [];
  const dialled: { id: string; at: number }[] = [];
  const searched: number[] = [];
  const provided: number[] = [];
  const made = new ProjectDiscovery('root', {
    bootstrap: () => ['bootstrap'],
    ask: (peer, root, signal) => {
      asked.push({ peer, at: now(), signal });
      return over.ask?.(peer, root, signal) ?? Promise.resolve([]);
    },
    provide: (cid, signal) => {
      provided.push(now());
      return over.provide?.(cid, signal) ?? Promise.resolve();
    },
    findProviders: (cid, options) => {
      searched.push(now());
      return over.findProviders?.(cid, options) ?? nobody();
    },
    dial: async (peer) => {
      dialled.push({ id: peer.id, at: now() });
      await over.dial?.(peer);
      connected.add(peer.id);
    },
    isConnected: (id) => connected.has(id),
    ...(over.bootstrap && { bootstrap: over.bootstrap }),
  });
  onTestFinished(() => made.close());
  return { made, connected, asked, dialled, searched, provided, now };
}
async function* nobody(): AsyncGenerator<{ id: string; addrs: string[] }> {}
const people = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `peer ${n}`, addrs: [] }));
const waits = (times: readonly number[]) => times.slice(1).map((at, n) => at - (times[n] ?? 0));
const times = (all: readonly { at: number }[]) => all.map(({ at }) => at);

it.each([
  [0, 5_000],
  [1, 30_000],
  [7, 30_000],
  [8, 60_000],
])('with %i members asks soon, then less often, at least every %i ms', async (members, longest) => {
  const ask = async () => people(members);
  const { asked } = discovering({ ask });
  await vi.advanceTimersByTimeAsync(20 * minuteMs);
  const rounds = waits([...new Set(times(asked.filter(({ peer }) => peer === 'bootstrap')))]);
  expect(rounds.slice(0, 4)).toEqual([250, 500, 1_000, 2_000]);
  expect(rounds.at(-1)).toBe(longest);
});

it('asks four peers a round, bootstrap nodes first', async () => {
  const few = discovering({ ask: async () => people(9) });
  await vi.advanceTimersByTimeAsync(250);
  expect(few.asked.map(({ peer, at }) => `${at} ${peer}`)).toEqual([
    '0 bootstrap',
    ...['bootstrap', 'peer 0', 'peer 1', 'peer 2'].map((peer) => `250 ${peer}`),
  ]);
  const many = discovering({ bootstrap: () => ['a', 'b', 'c', 'd', 'e'] });
  expect(many.asked.map(({ peer }) => peer)).toEqual(['a', 'b', 'c', 'd']);
});

it('dials as many as it wants, each once, and one more a round when it has them', async () => {
  const { dialled, connected } = discovering({ ask: async () => [...people(12), ...people(12)] });
  await vi.advanceTimersByTimeAsync(0);
  expect(dialled.map(({ id }) => id)).toEqual(people(8).map(({ id }) => id));
  await vi.advanceTimersByTimeAsync(250);
  expect(dialled).toHaveLength(9);
  connected.delete('peer 0');
  connected.delete('peer 1');
  await vi.advanceTimersByTimeAsync(500);
  expect(dialled.slice(9).map(({ id }) => id)).toEqual(['peer 0']);
});

it('goes on where a peer does not answer, or cannot be dialled', async () => {
  let isUp = false;
  const ask = () => (isUp ? Promise.resolve(people(1)) : Promise.reject(new Error('no answer')));
  const dial = () => (isUp ? Promise.resolve() : Promise.reject(new Error('nobody there')));
  const { asked, dialled } = discovering({ ask, dial });
  await vi.advanceTimersByTimeAsync(250);
  expect([asked.length, dialled.length]).toEqual([2, 0]);
  isUp = true;
  await vi.advanceTimersByTimeAsync(500);
  expect(dialled).toHaveLength(1);
});

it('hurries where a peer came or went, once a second, and not when it has enough', async () => {
  const { made, asked } = discovering();
  await vi.advanceTimersByTimeAsync(60_000);
  const before = asked.length;
  const since = async (ms: number): Promise<number> => {
    await vi.advanceTimersByTimeAsync(ms);
    made.hurry();
    await vi.advanceTimersByTimeAsync(0);
    return asked.length - before;
  };
  // The last round was at 57,750 ms.
  expect(await since(0)).toBe(1);
  expect(await since(999)).toBe(1);
  expect(await since(1)).toBe(2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked.length - before).toBe(3);
  const settled = discovering({ ask: async () => people(8) });
  await vi.advanceTimersByTimeAsync(10 * minuteMs);
  const rounds = settled.asked.length;
  settled.made.hurry();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(settled.asked).toHaveLength(rounds);
});

it('ends for good where it is closed while a question is open', async () => {
  const ask: ProjectPorts['ask'] = (_peer, _root, signal) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const { made, asked } = discovering({ ask });
  made.close();
  await vi.advanceTimersByTimeAsync(0);
  expect(vi.getTimerCount()).toBe(0);
  expect(asked).toHaveLength(1);
});

describe('a search in the DHT', () => {
  async function* found(count: number) {
    yield* people(count);
  }

  it('ends when as many are dialled as are wanted, and asks for no more than sixteen', async () => {
    let most = 0;
    const findProviders: ProjectPorts['findProviders'] = (_cid, { max }) => {
      most = max;
      return found(20);
    };
    const { dialled } = discovering({ findProviders });
    await vi.advanceTimersByTimeAsync(0);
    expect([dialled.length, most]).toEqual([8, 16]);
  });

  it('passes over those that are connected', async () => {
    const { dialled } = discovering({ ask: async () => people(4), findProviders: () => found(6) });
    await vi.advanceTimersByTimeAsync(0);
    expect(dialled.map(({ id }) => id)).toEqual(people(6).map(({ id }) => id));
  });

  it.each([
    [0, 60_000],
    [7, 60_000],
    [8, 600_000],
  ])('with %i members comes again after %i ms at the next round', async (members, ms) => {
    const { searched, asked } = discovering({ ask: async () => people(members) });
    await vi.advanceTimersByTimeAsync(2 * ms + minuteMs);
    const next = times(asked).find((at) => at >= ms);
    expect(searched.slice(0, 2)).toEqual([0, next]);
  });

  it('comes again soon while no peer takes the announcement', async () => {
    let isTaken = false;
    const provide = () => (isTaken ? Promise.resolve() : Promise.reject(new Error('no peer took it')));
    const { searched, provided } = discovering({ provide });
    await vi.advanceTimersByTimeAsync(7_750);
    expect(searched).toEqual([0, 7_750]);
    isTaken = true;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(provided).toEqual([0, 7_750, 12_750]);
    await vi.advanceTimersByTimeAsync(minuteMs);
    expect(provided).toHaveLength(3);
    expect(searched.length).toBeGreaterThan(3);
  });

  it('does not begin while one runs', async () => {
    const findProviders = async function* () {
      yield* people(0);
      await new Promise(() => {});
    };
    const { searched } = discovering({ findProviders });
    await vi.advanceTimersByTimeAsync(20 * minuteMs);
    expect(searched).toEqual([0]);
  });
});

it('gives each question, search and announcement a time, and ends with what it waits for', async () => {
  const timeout = vi.spyOn(AbortSignal, 'timeout');
  const { made, asked } = discovering();
  await vi.advanceTimersByTimeAsync(0);
  expect(timeout.mock.calls.flat().sort((a, b) => a - b)).toEqual([5_000, 10_000, 20_000]);
  made.close();
  expect(asked[0]?.signal.aborted).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
  made.hurry();
  await vi.advanceTimersByTimeAsync(minuteMs);
  expect(asked).toHaveLength(1);
});
