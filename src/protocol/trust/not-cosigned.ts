import type { Policy, VerdictLevel } from '../documents/index.ts';
import { cosignersOf } from '../judge/policy.ts';
import type { Level } from './evidence.ts';

/** Warning that every display of a result without a co-signature has to show. */
export const notCosigned = 'not co-signed: whoever holds the controller can forge this';

/** Whether this level counts without a trusted worker's signature. */
export function countsUncosigned(policy: Pick<Policy, 'cosign'>, level: Level | VerdictLevel): boolean {
  return cosignersOf(policy) === 0 && (level === 'agreed' || level === 'trusted' || level === 'failed');
}
