import { expect, it } from 'vitest';
import { compareText } from '../../src/core/text.ts';

it.each([
  ['a', 'b', -1],
  ['b', 'a', 1],
  ['a', 'a', 0],
  ['', 'a', -1],
  // As in English only where the machine's language says so.
  ['B', 'a', -1],
  ['a', 'ab', -1],
])('%j stands to %j as %i', (a, b, order) => {
  expect(compareText(a, b)).toBe(order);
});
