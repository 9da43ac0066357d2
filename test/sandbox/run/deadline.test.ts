import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Deadline } from '../../../sandbox/run/deadline.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** A deadline of ten seconds, and what it has said. */
function tenSeconds(): { deadline: Deadline; said: string[] } {
  const said: string[] = [];
  const deadline = new Deadline((detail) => said.push(detail));
  deadline.set(10_000, 'ten');
  return { deadline, said };
}

it('comes once, when its time is over', () => {
  const { said } = tenSeconds();
  vi.advanceTimersByTime(9_999);
  expect(said).toEqual([]);
  vi.advanceTimersByTime(100_000);
  expect(said).toEqual(['ten']);
});

it('a shorter one counts from the beginning', () => {
  const { deadline, said } = tenSeconds();
  vi.advanceTimersByTime(3_000);
  deadline.change(4_000, 'four');
  vi.advanceTimersByTime(999);
  expect(said).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(said).toEqual(['four']);
});

it('a longer one too, and one that is over already comes at once', () => {
  const { deadline, said } = tenSeconds();
  vi.advanceTimersByTime(9_000);
  deadline.change(12_000, 'twelve');
  vi.advanceTimersByTime(2_999);
  expect(said).toEqual([]);
  deadline.change(5_000, 'five');
  vi.advanceTimersByTime(0);
  expect(said).toEqual(['five']);
});

it('stands still while it is paused, also when it is changed meanwhile', () => {
  const { deadline, said } = tenSeconds();
  vi.advanceTimersByTime(6_000);
  deadline.pause(true);
  vi.advanceTimersByTime(100_000);
  deadline.change(8_000, 'eight');
  vi.advanceTimersByTime(100_000);
  expect(said).toEqual([]);
  deadline.pause(false);
  vi.advanceTimersByTime(1_999);
  expect(said).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(said).toEqual(['eight']);
});

it('is cut to the longest that a timer takes, and comes no sooner', () => {
  const said: string[] = [];
  const deadline = new Deadline((detail) => said.push(detail));
  deadline.set(2 ** 40, 'long');
  vi.advanceTimersByTime(2 ** 31 - 2);
  expect(said).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(said).toEqual(['long']);
});

it('is none before it is set and after it is cleared, whatever is changed or paused', () => {
  const { deadline, said } = tenSeconds();
  vi.advanceTimersByTime(1_000);
  deadline.clear();
  deadline.change(2_000, 'two');
  deadline.pause(true);
  deadline.pause(false);
  vi.advanceTimersByTime(100_000);
  expect([said, vi.getTimerCount()]).toEqual([[], 0]);
  deadline.pause(true);
  deadline.set(1_000, 'one');
  vi.advanceTimersByTime(100_000);
  expect(said).toEqual([]);
  deadline.pause(false);
  vi.advanceTimersByTime(1_000);
  expect(said).toEqual(['one']);
});

it('counts on when it is paused twice, or set anew, or changed to what it is', () => {
  const { deadline, said } = tenSeconds();
  vi.advanceTimersByTime(4_000);
  deadline.pause(false);
  deadline.change(10_000, 'the same');
  vi.advanceTimersByTime(5_999);
  expect(said).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(said).toEqual(['ten']);
  deadline.set(3_000, 'three');
  deadline.set(5_000, 'five');
  vi.advanceTimersByTime(2_000);
  deadline.pause(true);
  vi.advanceTimersByTime(9_000);
  deadline.pause(true);
  vi.advanceTimersByTime(9_000);
  deadline.pause(false);
  vi.advanceTimersByTime(2_999);
  expect(said).toEqual(['ten']);
  vi.advanceTimersByTime(1);
  expect(said).toEqual(['ten', 'five']);
});
