import { expect, it } from 'vitest';
import {
  assert,
  codeOf,
  messageOf,
  QuorateError,
  reportedError,
  UnknownKind,
  unreachable,
} from '../../../src/protocol/base/errors.ts';

it('only codes that a folder declares compile', () => {
  expect(new QuorateError('DOC_INVALID', 'declared in the core').code).toBe('DOC_INVALID');
  expect(new QuorateError('STORE_IN_USE', 'declared in the store').code).toBe('STORE_IN_USE');
  // @ts-expect-error: no folder declares this code.
  expect(new QuorateError('STORE_IN_USES', 'a typing error').code).toBe('STORE_IN_USES');
});

it('a code that somebody else reports may be any', () => {
  const cause = new Error('what it was');
  const error = reportedError('OF_A_LATER_VERSION', 'as told', { hint: 'do this', cause });
  expect(error).toMatchObject({ code: 'OF_A_LATER_VERSION', message: 'as told', hint: 'do this', cause });
});

it.each([
  [new QuorateError('DOC_INVALID', 'as told'), 'DOC_INVALID', 'as told'],
  [Object.assign(new Error('of another'), { code: 'ENOENT' }), 'ENOENT', 'of another'],
  [Object.assign(new Error('a number'), { code: 5 }), 'INTERNAL', 'a number'],
  [Object.assign(new Error('small letters'), { code: 'enoent' }), 'INTERNAL', 'small letters'],
  [new Error('none'), 'INTERNAL', 'none'],
  [{ code: 'DOC_INVALID' }, 'INTERNAL', '[object Object]'],
  ['text', 'INTERNAL', 'text'],
  [undefined, 'INTERNAL', 'undefined'],
])('%s has the code %s and says: %s', (error, code, message) => {
  expect([codeOf(error), messageOf(error)]).toEqual([code, message]);
});

it('our own mistakes are no errors of the product', () => {
  expect(() => assert(false, 'one is one')).toThrow(/^assertion failed: one is one$/);
  expect(() => assert('', 'text')).toThrow(/^assertion failed/);
  expect(() => assert(1, 'one is one')).not.toThrow();
  expect(() => unreachable('tomorrow' as never, 'day')).toThrow(UnknownKind);
  expect(new QuorateError('DOC_INVALID', 'a').name).toBe('QuorateError');
});
