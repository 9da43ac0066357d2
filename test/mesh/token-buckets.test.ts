import { describe, expect, it } from 'vitest';
import { Buckets, Turns } from '../../src/mesh/token-buckets.ts';

describe('buckets', () => {
  it('have a burst at once, then their rate, and no more than the burst after a pause', () => {
    const buckets = new Buckets(2, 3);
    const take = (times: number, now: number) => Array.from({ length: times }, () => buckets.take('a', now));
    expect(take(4, 0)).toEqual([true, true, true, false]);
    expect(take(1, 499)).toEqual([false]);
    expect(take(2, 500)).toEqual([true, false]);
    expect(take(4, 60_000)).toEqual([true, true, true, false]);
    expect(buckets.take('b', 60_000)).toBe(true);
  });

  it('may be charged below zero, and say when they are back', () => {
    const buckets = new Buckets(2, 3);
    expect([buckets.charge('a', 3, 0), buckets.charge('a', 1, 0)]).toEqual([0, 500]);
    expect(buckets.left('a', 0)).toBe(-1);
    expect(buckets.left('a', 2_000)).toBe(3);
    // A clock that is read late.
    expect(buckets.left('a', 1_000)).toBe(3);
  });

  it('are so many, of which the one that was used last is kept longest', () => {
    const buckets = new Buckets(1, 1, 2);
    for (const key of ['a', 'b']) buckets.charge(key, 10, 0);
    expect([buckets.left('a', 0), buckets.left('c', 0)]).toEqual([-9, 1]);
    expect([buckets.left('a', 0), buckets.left('b', 0)]).toEqual([-9, 1]);
  });
});

it('an account has 500 turns at once, 100 a second, and may owe 500', () => {
  const turns = new Turns();
  expect([turns.charge('a', 500, 0), turns.charge('a', 500, 0)]).toEqual([0, 5_000]);
  expect(turns.owes('a', 0)).toBe(false);
  turns.charge('a', 1, 0);
  expect([turns.owes('a', 0), turns.owes('a', 9), turns.owes('a', 10)]).toEqual([true, true, false]);
});
