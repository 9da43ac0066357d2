import { describe, expect, it } from 'vitest';
import { floorValue, lostBy, sayFloors } from '../../../src/owner/commands/floor.ts';
import type { Policy } from '../../../src/protocol/documents/index.ts';
import { policyText } from '../../../src/protocol/trust/odds-report.ts';

const policy = (text: string): Policy => ({ rounds: 8, ...floorValue(text) });

describe('a policy floor as an option', () => {
  it.each([
    ['2/3', { agree: 2, of: 3, cosign: 'none' }],
    ['2/3+cosign', { agree: 2, of: 3, cosign: 'required' }],
    ['3/5+cosign+rounds=4', { agree: 3, of: 5, cosign: 'required', rounds: 4 }],
    ['1/1+rounds=1+cosign', { agree: 1, of: 1, cosign: 'required', rounds: 1 }],
  ])('%s', (text, floor) => expect(floorValue(text)).toEqual(floor));

  it('is written as it is read', () => {
    for (const text of ['2/3+rounds=8', '3/5+cosign+rounds=4']) expect(policyText(policy(text))).toBe(text);
  });

  it.each([
    ['', /Give it as 2\/3\+cosign/],
    ['two of three', /Give it as/],
    ['2:3', /Give it as/],
    ['0/1', /Give it as/],
    ['2/3 +cosign', /Give it as/],
    ['4/3', /4 of 3 operators cannot agree/],
    ['1/2', /Twice 1 must exceed 2/],
    ['2/4+cosign', /Twice 2 must exceed 4/],
    ['9/17', /At most 16 operators/],
    ['2/3+cosigned', /"cosigned" is neither cosign nor rounds=R/],
    ['2/3+', /"" is neither/],
    ['2/3+cosign=no', /"cosign=no" is neither/],
    ['2/3+cosign+cosign', /"cosign" is there twice/],
    ['2/3+rounds=2+rounds=3', /"rounds" is there twice/],
    ['2/3+rounds', /Give from 1 to 8 rounds/],
    ['2/3+rounds=9', /Give from 1 to 8 rounds/],
    ['2/3+rounds=0', /Give from 1 to 8 rounds/],
    ['2/3+rounds=1=2', /Give from 1 to 8 rounds/],
  ])('%s is refused, with what is wrong', (text, says) => expect(() => floorValue(text)).toThrow(says));
});

describe('the loss by a lower floor', () => {
  const before = { floor: policy('3/5+cosign+rounds=2'), testFloor: policy('2/3+rounds=2') };

  it('is nothing where it is as it was, or tighter', () => {
    expect(lostBy(before, before)).toEqual({ floor: [], testFloor: [] });
    const tighter = { floor: policy('5/5+cosign+rounds=1'), testFloor: policy('2/3+cosign+rounds=2') };
    expect(lostBy(tighter, before)).toEqual({ floor: [], testFloor: [] });
  });

  it('is said for each way in which it is lower', () => {
    const lost = lostBy({ floor: policy('1/1+rounds=8'), testFloor: policy('2/3+rounds=8') }, before).floor;
    expect(lost).toEqual([
      expect.stringMatching(/the same result of 1 operator may be enough, instead of 3/),
      expect.stringMatching(/whoever holds the controller can invent .* forge every artifact/),
      expect.stringMatching(/8 rounds instead of 2/),
    ]);
  });

  it('counts the floor where a charter names none of its own for tests', () => {
    const { testFloor } = lostBy(
      { floor: policy('2/3+cosign'), testFloor: policy('2/3') },
      { floor: policy('2/3+cosign') },
    );
    expect(testFloor).toEqual([expect.stringMatching(/forge that a test passed/)]);
  });

  it('is named beside a floor without a co-signature', () => {
    const [jobs, tests] = sayFloors({ floor: policy('2/3+cosign'), testFloor: policy('2/3') });
    expect(jobs).toMatch(/2 of 3 operators and the co-signature, in 8 rounds at most\.$/);
    expect(tests).toMatch(/not co-signed: whoever holds the controller can forge this\.$/);
  });
});
