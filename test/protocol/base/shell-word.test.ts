import { expect, it } from 'vitest';
import { shellWord } from '../../../src/protocol/base/shell-word.ts';

it('a word of a shell is quoted where it needs to be', () => {
  expect([shellWord('a/b-c_1.2:3,4+5=%@'), shellWord(''), shellWord("it's"), shellWord('$x')]).toEqual([
    ...['a/b-c_1.2:3,4+5=%@', "''"],
    ...["'it'\\''s'", "'$x'"],
  ]);
});
