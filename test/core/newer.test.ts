import { expect, it } from 'vitest';
import { newerEvent } from '../../src/core/newer.ts';

it.each([
  [{ kind: 'tomorrow' }, /no event "tomorrow", which its event 3 is/],
  [{ kind: { toString: 1 } }, /its event 3 names no kind/],
  [{}, /its event 3 names no kind/],
  [null, /its event 3 names no kind/],
  ['text', /its event 3 names no kind/],
])('an event of no kind that this version has is refused by its name: %j', (event, says) => {
  const error = newerEvent('a.db', 3, event, undefined);
  expect(error).toMatchObject({ code: 'HOME_NEWER', message: expect.stringMatching(says) });
});
