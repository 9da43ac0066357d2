import { describe, expect, it } from 'vitest';
import type { Policy } from '../../../src/protocol/documents/index.ts';
import { policyMeetsFloor, weaknessesOf } from '../../../src/protocol/judge/index.ts';

describe('the policy floor', () => {
  const p = (agree: number, of: number, cosign: Policy['cosign'] = 'none', rounds = 2): Policy => ({
    agree,
    of,
    cosign,
    rounds,
  });
  it.each([
    ['itself', p(2, 3), p(2, 3), true],
    ['unanimity of the same number', p(2, 2), p(2, 3), true],
    ['a larger majority', p(3, 5), p(2, 3), true],
    ['from one alone', p(2, 3), p(1, 1), true],
    ['co-signing on top', p(2, 3, 'required'), p(2, 3), true],
    ['fewer rounds', p(2, 3, 'none', 1), p(2, 3), true],
    ['fewer who agree', p(1, 1), p(2, 3), false],
    ['more slots for the same number', p(2, 3), p(2, 2), false],
    ['no co-signature where one is required', p(2, 3), p(2, 3, 'required'), false],
    ['more rounds', p(2, 3, 'none', 3), p(2, 3), false],
  ])('%s', (_name, policy, floor, meets) => {
    expect(policyMeetsFloor(policy, floor)).toBe(meets);
  });

  it.each([
    [p(2, 3), p(3, 5), ['agree']],
    [p(2, 3), p(2, 2), ['of']],
    [p(1, 1, 'none', 4), p(2, 2, 'required'), ['agree', 'of', 'cosign', 'rounds']],
    [p(3, 3, 'required', 1), p(2, 3), []],
  ])('%o is weaker than %o in %o', (policy, floor, weaknesses) => {
    expect(weaknessesOf(policy, floor)).toEqual(weaknesses);
  });
});
