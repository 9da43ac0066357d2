import type { RevocationList } from '../../judge/index.ts';
import { listOf } from '../revocation-book.ts';
import type { ControllerPorts } from './ports.ts';

/** What a controller tells everybody: the revocations in its log, and the evidence against that log. */
export function knownTo({
  machine,
  logEvidence,
}: Pick<ControllerPorts, 'machine' | 'logEvidence'>): RevocationList {
  const equivocations = logEvidence.equivocations.map(({ raw }) => raw);
  return { ...listOf(machine.state.revocations), ...(equivocations.length > 0 && { equivocations }) };
}
