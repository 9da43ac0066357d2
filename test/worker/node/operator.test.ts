import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Bandwidth } from '../../../src/protocol/base/bandwidth.ts';
import type { WorkerEvent } from '../../../src/worker/machine/events.ts';
import type { OperatorOptions } from '../../../src/worker/node/operator.ts';
import { idleOperator } from '../../support/operator.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** An operator of sandboxes that say what is done with them. */
function operator(over: Partial<OperatorOptions> = {}) {
  const done: string[] = [];
  const told: string[] = [];
  const events: WorkerEvent[] = [];
  const caps: unknown[] = [];
  const bandwidth = new Bandwidth();
  let stopped = 0;
  const one = idleOperator({
    sandboxes: {
      freeze: () => void done.push('freeze'),
      thaw: () => void done.push('thaw'),
      cap: (cap) => {
        caps.push(cap);
        return ['pids', 'memory'];
      },
      prioritise: () => ['memory'],
      abilities: { freeze: true, processorTime: true, idle: true, ioWeight: false, disk: true },
      usage: () => [
        { memoryBytes: 5, processorSeconds: 1 },
        { memoryBytes: Number.NaN, processorSeconds: 2 },
      ],
      processorSeconds: () => 0,
    },
    bandwidth,
    tell: (_level, _topic, text) => void told.push(text),
    dispatch: async (event) => void events.push(event),
    stop: () => void stopped++,
    ...over,
  });
  return { operator: one, done, told, events, caps, bandwidth, stopped: () => stopped };
}

describe('an operator', () => {
  it('pauses what runs, and what runs goes on at its word', () => {
    const { operator: one, done, events } = operator();
    one.pause();
    expect(one.status()).toMatchObject({ state: 'paused', reason: 'paused by its operator' });
    one.resume();
    expect(one.status()).toMatchObject({ state: 'working', reason: null });
    expect(done).toEqual(['freeze', 'thaw']);
    const closed = events.map((event) => event.kind === 'lending' && event.lending.closed);
    expect(closed).toEqual(['paused by its operator', undefined]);
  });

  it('stops once the last lease has ended, unless it is told to go on', () => {
    let leases = 1;
    const { operator: one, stopped } = operator({ leases: () => leases });
    one.drain();
    expect(one.status().state).toBe('draining');
    vi.advanceTimersByTime(1_000);
    expect(stopped()).toBe(0);
    one.resume();
    leases = 0;
    vi.advanceTimersByTime(1_000);
    expect(stopped()).toBe(0);
    one.drain();
    one.drain();
    vi.advanceTimersByTime(199);
    expect(stopped()).toBe(0);
    vi.advanceTimersByTime(1);
    expect(stopped()).toBe(1);
    vi.advanceTimersByTime(1_000);
    expect(stopped()).toBe(1);
  });

  it('takes jobs within its hours, which are looked at every five seconds', async () => {
    vi.setSystemTime(new Date(2026, 10, 1, 7, 59, 56));
    const { operator: one, told, done } = operator({ rules: { hours: [{ from: 8 * 60, to: 9 * 60 }] } });
    one.start();
    expect(one.lending.closed).toBe('outside the hours of its operator');
    await vi.advanceTimersByTimeAsync(4_999);
    expect(told).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(told).toEqual(['takes jobs again']);
    expect(one.lending.closed).toBeUndefined();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(told).toHaveLength(1);
    vi.setSystemTime(new Date(2026, 10, 1, 9, 0, 0));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual(['takes jobs again', 'takes no job: outside the hours of its operator']);
    // Builds that run go on.
    expect(done).not.toContain('freeze');
    one.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('pauses builds while other programs keep the host busy', async () => {
    vi.useRealTimers();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    // Any load is more than that.
    const { operator: one, done } = operator({ rules: { hours: [], pauseAboveLoad: -1 } });
    one.start();
    await vi.waitUntil(() => {
      vi.advanceTimersByTime(5_000);
      return one.status().state === 'waiting';
    }, 60_000);
    expect(one.status()).toMatchObject({ reason: 'busy with other programs', hostLoad: expect.any(Number) });
    // On a busy host a second look begins before the first one has ended: both freeze.
    expect(new Set(done)).toEqual(new Set(['freeze']));
    one.drain();
    expect(done.at(-1)).toBe('thaw');
    one.close();
  });

  it('looks at nothing that it has no rule for', () => {
    const { operator: one, told } = operator({ rules: { hours: [], ioWeight: 5 } });
    one.start();
    expect(vi.getTimerCount()).toBe(0);
    expect(told).toEqual([expect.stringMatching(/^has no effect here: io/)]);
  });

  it('shares what is lent among the builds that run, and says what could not be held', () => {
    let builds = 0;
    const running = Array.from({ length: 4 }, () => ({ job: 'job', commit: 'c', ms: 1 }));
    const { operator: one, caps, bandwidth } = operator({ builds: () => running.slice(0, builds) });
    builds = 4;
    one.rebalance();
    expect(caps).toEqual([
      { cpus: 1, memoryBytes: 2 ** 28, seconds: 86_400 },
      { cpus: 1 / 4, memoryBytes: 2 ** 26, seconds: 86_400 },
    ]);
    const missed = one.limit({ memoryBytes: 2 ** 27, pids: 100, seconds: null, upBytes: 20_000 } as never);
    expect(missed).toEqual(['pids', 'memory']);
    expect(caps.at(-1)).toEqual({ cpus: 1 / 4, memoryBytes: 2 ** 25, pids: 25 });
    // Disk follows memory, until it is set.
    expect(one.status().lending).toMatchObject({
      diskBytes: 2 ** 27,
      pids: 100,
      seconds: null,
      upBytes: 20_000,
    });
    expect(bandwidth.up.perSecond).toBe(20_000);
    one.limit({ diskBytes: 2 ** 26 });
    one.limit({ memoryBytes: 2 ** 28 });
    expect(one.status().lending).toMatchObject({ diskBytes: 2 ** 26, memoryBytes: 2 ** 28 });
  });

  it('changes nothing where a limit cannot be', () => {
    const { operator: one, caps } = operator();
    const before = caps.length;
    for (const wrong of [{ memoryBytes: 2 ** 60 }, { jobsAtOnce: 1_000 }])
      expect(() => one.limit(wrong)).toThrow();
    expect(caps).toHaveLength(before);
    expect(one.status().lending).toMatchObject({ memoryBytes: 2 ** 28, jobsAtOnce: 1 });
    const rules = { hours: [], processorSeconds: 60 };
    const sandboxes = { abilities: { freeze: true, processorTime: false } };
    expect(() => operator({ rules, sandboxes: sandboxes as never })).toThrow(/cpu_time/);
  });

  it('says how it stands: used memory, what is wrong, and a void log before a lost connection', () => {
    const trouble = () => 'no controller';
    const cut = operator({ trouble }).operator.status();
    expect(cut).toMatchObject({ state: 'cut off', reason: 'no controller' });
    expect(cut.using).toEqual({ memoryBytes: 5, processorSeconds: 3 });
    const log = () => ({ trouble: 'forked', isVoid: true });
    expect(operator({ trouble, log }).operator.status()).toMatchObject({
      state: 'refusing',
      reason: 'the log of the project tells two stories',
      log: 'forked',
    });
  });

  it('allows a host, and takes that back', async () => {
    const asked: string[] = [];
    const hosts = {
      list: [],
      spent: ['x.example:443'],
      gate: { traffic: [] },
      watch: () => () => {},
      allow: async (host: string) => void asked.push(`allow ${host}`),
      withdraw: async (host: string) => void asked.push(`withdraw ${host}`),
    };
    const { operator: one, told, events } = operator({ hosts });
    await one.allow('a.example');
    await one.allow('a.example', true);
    expect(asked).toEqual(['allow a.example', 'withdraw a.example']);
    expect(told).toEqual(['a.example is allowed', 'a.example is no longer allowed']);
    expect(events).toHaveLength(2);
    expect(one.lending.spent).toEqual(['x.example:443']);
  });
});
