import type { Policy } from '../../src/protocol/documents/index.ts';

/** `rounds: 2` is what a new job file says. */
const policyOf = (agree: number, of: number, cosign: Policy['cosign']): Policy => ({
  agree,
  of,
  cosign,
  rounds: 2,
});

const quorums = [
  [1, 1],
  [2, 2],
  [2, 3],
  [3, 5],
  [4, 7],
] as const;

export const alone: readonly Policy[] = quorums.map(([agree, of]) => policyOf(agree, of, 'none'));
export const cosigned: readonly Policy[] = quorums.map(([agree, of]) => policyOf(agree, of, 'required'));
export const policies: readonly Policy[] = [...alone, ...cosigned];
export const usual: Policy = policyOf(2, 3, 'required');
export const usualAlone: Policy = policyOf(2, 3, 'none');

export function nameOf({ agree, of, cosign }: Policy): string {
  return `${agree} of ${of}${cosign === 'required' ? ' + co-signature' : ''}`;
}
