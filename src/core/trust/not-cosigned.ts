import type { Policy } from '../documents/index.ts';
import type { Level } from './evidence.ts';

/** What whoever relies on a result without a co-signature has to know. */
export const notCosigned = 'not co-signed: whoever holds the controller can forge this';

/** Whether this level counts without a trusted worker's signature. */
export function countsUncosigned({ cosign }: Pick<Policy, 'cosign'>, level: Level | 'disputed'): boolean {
  return cosign === 'none' && (level === 'agreed' || level === 'trusted' || level === 'failed');
}
