import { expect, it } from 'vitest';
import { compareTexts } from '../../../src/protocol/base/text.ts';

it('texts are in the order of their UTF-16 code units', () => {
  expect([compareTexts('a', 'b'), compareTexts('b', 'a'), compareTexts('a', 'a')]).toEqual([-1, 1, 0]);
  expect(['b', 'a\uffee', 'ab', 'a\u{1f600}', 'a', ''].sort(compareTexts)).toEqual([
    ...['', 'a', 'ab', 'a\u{1f600}', 'a\uffee', 'b'],
  ]);
});
