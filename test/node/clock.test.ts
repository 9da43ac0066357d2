import { afterEach, expect, it, vi } from 'vitest';
import { throwIfAborted } from '../../src/node/aborted.ts';
import { warnWhenFull } from '../../src/node/full-warning.ts';
import { meshCheck } from '../../src/node/health.ts';
import { nodeClock } from '../../src/node/ports.ts';
import { tellTransfer } from '../../src/node/tell-transfer.ts';
import type { Clock } from '../../src/protocol/sessions/ports.ts';

const { signal } = new AbortController();

afterEach(() => void vi.useRealTimers());

it('a turn ends after four iterations of the event loop', async () => {
  let iterations = 0;
  const counted = await new Promise<number>((resolve) => {
    nodeClock(signal).endOfTurn(() => resolve(iterations));
    const next = () => {
      iterations++;
      if (iterations < 10) setImmediate(next);
    };
    setImmediate(next);
  });
  expect(counted).toBe(3);
});

it('the end of a node is heard once, also of one that is closing, and not by those who no longer want to', () => {
  const stop = new AbortController();
  const clock = nodeClock(stop.signal);
  const heard: string[] = [];
  clock.onClosing(() => heard.push('first'));
  clock.onClosing(() => heard.push('second'))();
  stop.abort();
  clock.onClosing(() => heard.push('late'));
  expect(heard).toEqual(['first', 'late']);
});

it('an aborted signal is the reason, or an error of its own where time was up', () => {
  throwIfAborted(signal, 'joining');
  const reason = new Error('enough');
  expect(() => throwIfAborted(AbortSignal.abort(reason), 'joining')).toThrow(reason);
  const late = AbortSignal.abort(new DOMException('late', 'TimeoutError'));
  expect(() => throwIfAborted(late, 'joining')).toThrow(/joining took longer/);
});

it('a node without places says so once a minute, where more were refused', () => {
  vi.useFakeTimers();
  let connections = { open: 2, max: 2, refused: 1, isFull: true };
  const told: unknown[] = [];
  const clock: Clock = nodeClock(signal);
  warnWhenFull({ connections: () => connections } as never, clock, (_level, kind) => told.push(kind));
  vi.advanceTimersByTime(59_999);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual(['full']);
  connections = { ...connections, refused: 2, isFull: false };
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual(['full']);
});

it('a node that listens at no address is in trouble', () => {
  const trouble = (...addresses: string[]) => meshCheck({ addresses: () => addresses }).trouble();
  expect([trouble(), trouble('/ip4/127.0.0.1/tcp/1')]).toEqual([
    ...['it listens at no address that others could dial', undefined],
  ]);
});

it('a transfer is told once a second, and at its end', async () => {
  vi.useFakeTimers();
  const states: unknown[] = [];
  const tell = (_level: unknown, _kind: unknown, _says: unknown, data?: Record<string, unknown>) =>
    states.push(data?.state);
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = tellTransfer(tell, { verb: 'fetching', image: 'i' }, () => promise);
  vi.advanceTimersByTime(2_000);
  resolve();
  await done;
  vi.advanceTimersByTime(2_000);
  expect(states).toEqual(['running', 'running', 'running', 'done']);
  const failed = tellTransfer(tell, { verb: 'fetching', image: 'i' }, () => Promise.reject(new Error('no')));
  await expect(failed).rejects.toThrow('no');
  expect(states.slice(4)).toEqual(['running', 'stopped']);
});
