import { expect, it } from 'vitest';
import { policySchema } from '../../../src/protocol/documents/base.ts';

const takes = (over: object) =>
  policySchema.safeParse({ agree: 2, of: 3, cosign: 'none', rounds: 2, ...over }).success;

it('a policy asks for 16 operators and 8 rounds at most, and for no more that agree than build', () => {
  expect(takes({ agree: 16, of: 16, rounds: 8 })).toBe(true);
  expect(takes({ agree: 9, of: 16 })).toBe(true);
  expect(takes({ agree: 9, of: 17 })).toBe(false);
  expect(takes({ rounds: 9 })).toBe(false);
  expect(takes({ agree: 4 })).toBe(false);
  expect([takes({ agree: 0 }), takes({ of: 0 }), takes({ rounds: 0 }), takes({ rounds: 1.5 })]).toEqual([
    ...[false, false, false, false],
  ]);
});
