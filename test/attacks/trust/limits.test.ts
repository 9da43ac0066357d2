import { describe, expect, it } from 'vitest';
import type { Outcome, Policy } from '../../../src/protocol/documents/index.ts';
import { type LimitGuard, limitReachedBy, type Report } from '../../../src/protocol/trust/at-limit.ts';
import { trusted } from '../../support/project.ts';
import { receipt, trustedReceipt, withCosign, withoutCosign } from './attack.ts';

const outcome: Outcome = { kind: 'aborted', reason: 'outputs', detail: '' };
const files = { name: 'files', max: 2000 } as const;
const seconds = { name: 'seconds', max: 60 } as const;

const lie = (operator: string, slot: number, limit: NonNullable<Report['limit']> = files): Report => ({
  ...receipt(operator, slot, null, { outcome, result: null }),
  limit,
});
const owner = (limit: NonNullable<Report['limit']> = files): Report => ({
  ...trustedReceipt(null, { outcome, result: null }),
  limit,
});

function ends(policy: Policy, reports: Report[], off: LimitGuard[] = [], revoked: string[] = []): boolean {
  const keys = Object.fromEntries(revoked.map((key) => [key, 0]));
  return (
    limitReachedBy(new Set(off), policy, { reports, trustedKeys: [trusted.id] }, { keys })?.stands === true
  );
}

describe('workers that lie about a limit, to end a build that others make', () => {
  const alone = [lie('mallory', 0)];
  const gang = [...alone, lie('trudy', 1), lie('eve', 2)];

  it('end nothing alone, nor with other operators that lie', () => {
    for (const reports of [alone, gang.slice(0, 2), gang]) expect(ends(withCosign, reports)).toBe(false);
  });
  it('control: where the trusted worker is not asked, one does', () => {
    expect(ends(withCosign, alone, ['trusted-worker'])).toBe(true);
  });

  it('end nothing without a co-signature, while one of M does not lie', () => {
    expect(ends(withoutCosign, gang.slice(0, 2))).toBe(false);
    expect(ends(withoutCosign, [...gang.slice(0, 2), lie('trudy', 2)])).toBe(false);
  });
  it('control: where M are not asked, one does', () => {
    expect(ends(withoutCosign, alone, ['operators'])).toBe(true);
  });

  it('end nothing beside a result, whoever has it', () => {
    for (const result of [receipt('ada', 2, 'good'), receipt('ada', 2, null), trustedReceipt('good')])
      expect(ends(withCosign, [...gang.slice(0, 2), owner(), result])).toBe(false);
  });
  it('control: where results are not looked for, they do', () => {
    expect(ends(withCosign, [...alone, owner(), receipt('ada', 2, 'good')], ['no-result'])).toBe(true);
  });

  it('cannot make much of a trusted worker that is slow', () => {
    expect(ends(withCosign, [lie('mallory', 0, seconds), owner(seconds)])).toBe(false);
  });
  it('control: where one operator is enough, it can', () => {
    expect(ends(withCosign, [lie('mallory', 0, seconds), owner(seconds)], ['operators'])).toBe(true);
  });

  it('do not become the trusted worker by its slot or its role', () => {
    const slot = { ...lie('trudy', 1), slot: 'trusted' as const };
    const role = { ...slot, role: 'trusted-worker' as const };
    for (const other of [slot, role]) expect(ends(withCosign, [...alone, other])).toBe(false);
  });

  it('say nothing any more once they are revoked', () => {
    const [first] = alone;
    expect(ends(withCosign, [...alone, owner()])).toBe(true);
    expect(ends(withCosign, [...alone, owner()], [], [first?.worker ?? ''])).toBe(false);
    expect(ends(withCosign, [...alone, owner()], [], [trusted.id])).toBe(false);
  });
  it('control: where revocations are not looked at, they do', () => {
    const [first] = alone;
    expect(ends(withCosign, [...alone, owner()], ['revoked'], [first?.worker ?? ''])).toBe(true);
  });
});
