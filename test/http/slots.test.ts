import { describe, expect, it, onTestFinished } from 'vitest';
import { afterAnswer, holderOf } from '../../src/http/env.ts';
import { httpLimits } from '../../src/http/limits.ts';
import { Slots } from '../../src/http/slots.ts';

describe('slots that are all taken', () => {
  it('are given by an answer that is read slowly, whoever has it, to a client that has none', () => {
    const made = new Slots({ max: 4, perClientMax: 2, what: 'answers' });
    const ended: string[] = [];
    /** Whether a slot was found. */
    const take = (client: string, isSlow = false) =>
      made.tryTake(client, { end: () => void ended.push(client), isSlow: () => isSlow }) !== undefined;
    take('a');
    take('b', true);
    take('c');
    take('d');
    expect([take('a'), take('e'), take('f')]).toEqual([false, true, false]);
    expect([ended, made.taken]).toEqual([['b'], 4]);
  });

  it('are kept where no answer holds them', () => {
    const made = new Slots({ max: 2, perClientMax: 1, what: 'answers' });
    made.take('a');
    made.take('b');
    expect(() => made.take('c')).toThrow(expect.objectContaining({ code: 'HTTP_BUSY' }));
  });

  it('are given back once', () => {
    const made = new Slots({ max: 2, perClientMax: 1, what: 'answers' });
    const release = made.take('a');
    release();
    release();
    expect([made.tryTake('b'), made.tryTake('c'), made.tryTake('d')].map((one) => one !== undefined)).toEqual(
      [true, true, false],
    );
    const many = new Slots({ max: 10, perClientMax: 2, what: 'answers' });
    const [first] = [many.take('a'), many.take('a')];
    first?.();
    expect([many.tryTake('a'), many.tryTake('a')].map((one) => one !== undefined)).toEqual([true, false]);
  });
});

describe('an answer', () => {
  it('is slow where its client leaves bytes unread, and reads fewer than it could', () => {
    const before = { ...httpLimits };
    onTestFinished(() => void Object.assign(httpLimits, before));
    const socket = { bytesWritten: 1_000, writableLength: 0 };
    const holder = holderOf({ socket, destroy() {} } as never);
    Object.assign(httpLimits, { slowMsMin: -1 });
    expect(holder?.isSlow()).toBe(false);
    Object.assign(socket, { bytesWritten: 2_000, writableLength: 1_000 });
    expect(holder?.isSlow()).toBe(true);
    Object.assign(httpLimits, { slowBytesPerSecond: 0 });
    expect(holder?.isSlow()).toBe(false);
    Object.assign(httpLimits, { slowBytesPerSecond: before.slowBytesPerSecond, slowMsMin: 3_600_000 });
    expect(holder?.isSlow()).toBe(false);
  });
});

it('the slot of an answer is released with its client, at once where that is gone already', () => {
  const released: string[] = [];
  const gone = { destroyed: true, once: () => expect.unreachable('its end was before') };
  const ends: (() => void)[] = [];
  const open = { destroyed: false, once: (_: 'close', act: () => void) => ends.push(act) };
  afterAnswer({ env: { outgoing: gone } } as never, () => released.push('gone'));
  afterAnswer({ env: {} } as never, () => released.push('none'));
  afterAnswer({ env: { outgoing: open } } as never, () => released.push('open'));
  expect(released).toEqual(['gone', 'none']);
  for (const end of ends) end();
  expect(released).toEqual(['gone', 'none', 'open']);
});
