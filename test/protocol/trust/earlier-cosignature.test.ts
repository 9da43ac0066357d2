import { expect, it } from 'vitest';
import { checkEarlierCosignature } from '../../../src/protocol/trust/steps/earlier.ts';

/** Codes of what does not hold about the answer to a request with this policy, from an earlier verdict that these keys co-signed. */
function faults(over: {
  cosign?: string;
  level?: string;
  signers?: string[];
  cosigners?: string[];
}): string[] {
  const { cosign = 'required', level = 'trusted', signers = ['controller'], cosigners = [] } = over;
  const found: string[] = [];
  const check = (code: string, holds: boolean) => void (holds || found.push(code));
  const opened = {
    charter: { payload: { trusted: ['trusted'] } },
    request: { payload: { policy: { cosign } } },
    verdict: { signers, payload: { predicate: { quorate_verdict: { level, outcome: null } } } },
  };
  checkEarlierCosignature({ check } as never, opened as never, cosigners);
  return found;
}

it('an answer from an earlier build has a co-signature of then where its request asks for one', () => {
  expect(faults({})).toEqual(['COSIGN_MISSING']);
  expect(faults({ cosigners: ['trusted'] })).toEqual([]);
  expect(faults({ cosign: 'none' })).toEqual([]);
  expect(faults({ level: 'agreed' })).toEqual([]);
});

it('each further signature of an answer is of a trusted worker of today', () => {
  const signers = ['controller', 'trusted', 'another'];
  expect(faults({ cosigners: ['trusted'], signers })).toEqual(['COSIGN_NOT_TRUSTED_KEY']);
  expect(faults({ cosigners: ['trusted'], signers: signers.slice(0, 2) })).toEqual([]);
});
