import { expect, it } from 'vitest';
import { QuorateError, reportedError } from '../../src/core/errors.ts';

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
