import { expect, it } from 'vitest';
import { checkFileVersion, newerEvent } from '../../../src/protocol/base/newer.ts';

it.each([
  [{ kind: 'tomorrow' }, /no event "tomorrow", which its event 3 is/],
  [{ kind: { toString: 1 } }, /its event 3 names no kind/],
  [{}, /its event 3 names no kind/],
  [null, /its event 3 names no kind/],
  ['text', /its event 3 names no kind/],
])('an event of no kind that this version has is refused by its name: %j', (event, says) => {
  const error = newerEvent('a.db', 3, event, 'its cause');
  expect(error.cause).toBe('its cause');
  expect(error).toMatchObject({ code: 'HOME_NEWER', message: expect.stringMatching(says) });
});

it.each([
  [{ v: 2 }, 1, /version 2, and this one reads version 1/],
  [{ v: 4 }, 3, /version 4, and this one reads version 3/],
  [{ v: 3 }, 3, undefined],
  [{ v: '9' }, 1, undefined],
  [{}, 1, undefined],
  [null, 1, undefined],
  [9, 1, undefined],
])('a file that states %j is read by one that reads version %i, or refused: %s', (value, reads, says) => {
  const check = () => checkFileVersion('a.json', value, reads);
  if (says === undefined) expect(check).not.toThrow();
  else
    expect(check).toThrow(
      expect.objectContaining({ code: 'HOME_NEWER', message: expect.stringMatching(says) }),
    );
});
