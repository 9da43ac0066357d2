import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Client } from '../../../src/member/client.ts';
import { retryAfter, Turns } from '../../../src/watcher/machine/transition.ts';
import { Connection } from '../../../src/watcher/sessions/connection.ts';
import { Repeater } from '../../../src/watcher/sessions/watcher.ts';
import { clock } from '../watch-support.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('work that is done again and again', () => {
  it('waits as it says, is done at once where it is poked, and rests between two', async () => {
    let count = 0;
    const one = new Repeater(
      clock,
      async () => {
        count++;
        return 1_000;
      },
      () => {},
      100,
    );
    one.poke();
    await vi.advanceTimersByTimeAsync(999);
    expect(count).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(count).toBe(2);
    for (let n = 0; n < 5; n++) one.poke();
    await vi.advanceTimersByTimeAsync(99);
    expect(count).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(count).toBe(3);
    await vi.advanceTimersByTimeAsync(500);
    one.poke();
    await vi.advanceTimersByTimeAsync(0);
    expect(count).toBe(4);
    await one.close();
    one.poke();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(count).toBe(4);
  });

  it('is done once more where it is poked meanwhile, and its end is waited for', async () => {
    const running: (() => void)[] = [];
    const one = new Repeater(
      clock,
      () => new Promise((resolve) => running.push(() => resolve(1_000))),
      () => {},
    );
    one.poke();
    one.poke();
    one.poke();
    expect(running).toHaveLength(1);
    running[0]?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(running).toHaveLength(2);
    running[1]?.();
    await vi.advanceTimersByTimeAsync(999);
    expect(running).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(running).toHaveLength(3);
    let ended = false;
    const closing = one.close().then(() => {
      ended = true;
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(ended).toBe(false);
    running[2]?.();
    await closing;
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that fails is told, and not done again', async () => {
    const failed: unknown[] = [];
    let count = 0;
    const one = new Repeater(
      clock,
      async () => {
        count++;
        throw new Error('no');
      },
      (error) => failed.push(error),
    );
    one.poke();
    await vi.advanceTimersByTimeAsync(0);
    one.poke();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([count, failed]).toEqual([1, [new Error('no')]]);
  });
});

describe('the way to a controller', () => {
  const opening = () => {
    const open: string[] = [];
    let count = 0;
    const connection = new Connection(async () => {
      const name = `client ${++count}`;
      open.push(name);
      const close = async () => {
        for (let turn = 0; turn < 5; turn++) await undefined;
        open.splice(open.indexOf(name), 1);
      };
      return { charter: { name }, close } as unknown as Client;
    }, clock);
    return { connection, open, count: () => count };
  };

  it('is one client for half an hour, and closed once nobody uses it', async () => {
    const { connection, open, count } = opening();
    expect(connection.charter).toBeUndefined();
    await connection.use(async () => {});
    vi.advanceTimersByTime(30 * 60_000 - 1);
    const { promise, resolve } = Promise.withResolvers<void>();
    const using = connection.use(() => promise);
    await vi.advanceTimersByTimeAsync(1);
    expect(count()).toBe(1);
    await connection.use(async () => {});
    expect(open).toEqual(['client 1', 'client 2']);
    expect(connection.charter).toEqual({ name: 'client 2' });
    resolve();
    await using;
    expect(open).toEqual(['client 2']);
    await connection.close();
    expect(open).toEqual([]);
  });

  it('is opened again where something failed', async () => {
    const { connection, open } = opening();
    await expect(connection.use(() => Promise.reject(new Error('lost')))).rejects.toThrow('lost');
    expect(open).toEqual([]);
    await connection.use(async () => {});
    expect(open).toEqual(['client 2']);
    await new Connection(() => Promise.reject(new Error('no')), clock).close();
  });
});

it('a failure is tried again after five seconds, and twice as long each time, up to ten minutes', () => {
  expect([1, 2, 3, 7, 8, 1_000].map(retryAfter)).toEqual([5_000, 10_000, 20_000, 320_000, 600_000, 600_000]);
});

it('authors have their turns one after the other, and one who is gone comes first again', () => {
  const turns = new Turns();
  const of = (author: string, ...names: number[]) =>
    names.map((name) => ({ author, name: `${author}${name}` }));
  const picked = (count: number, ...lists: { author: string; name: string }[][]) =>
    turns.pick(lists.flat(), count).map(({ name }) => name);
  expect(picked(3, of('a', 1, 2, 3), of('b', 1))).toEqual(['a1', 'b1', 'a2']);
  expect(picked(1, of('a', 3), of('b', 2))).toEqual(['b2']);
  expect(picked(5, of('a', 3))).toEqual(['a3']);
  expect(picked(1, of('a', 4), of('b', 3))).toEqual(['b3']);
  expect(picked(0, of('a', 4))).toEqual([]);
});
