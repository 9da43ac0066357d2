import { expect, it } from 'vitest';
import { hoursPattern, parseHours, withinHours } from '../../../src/worker/node/hours.ts';

const at = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
const inside = (time: string, ...hours: string[]): boolean => withinHours(hours.map(parseHours), at(time));

it('are parts of a day, over midnight too', () => {
  expect(inside('09:00', '08:00-18:00')).toBe(true);
  expect(inside('08:00', '08:00-18:00')).toBe(true);
  expect(inside('18:00', '08:00-18:00')).toBe(false);
  expect(inside('20:00', '20:00-08:00')).toBe(true);
  expect(inside('08:00', '20:00-08:00')).toBe(false);
  expect(inside('23:59', '20:00-08:00')).toBe(true);
  expect(inside('07:59', '20:00-08:00')).toBe(true);
  expect(inside('12:00', '20:00-08:00')).toBe(false);
  expect(inside('12:00', '20:00-08:00', '12:00-12:30')).toBe(true);
  expect(inside('12:00', '00:00-00:00')).toBe(true);
  expect(inside('12:00')).toBe(true);
});

it.each(['24:00-08:00', '8:00-18:00', '08:00', '08:60-09:00', ''])('%j is none', (text) => {
  expect(hoursPattern.test(text)).toBe(false);
});
