import { pageOf } from '../../protocol/sessions/revocation-book.ts';
import type { Known } from '../../protocol/sessions/revocation-exchange.ts';
import { endedKeys } from '../machine/members/revocations.ts';
import type { ControllerPorts } from './ports.ts';

/** The revocations in the log that count, and the evidence against that log, for anybody who asks. */
export function knownTo({
  machine: { state },
  logEvidence,
}: Pick<ControllerPorts, 'machine' | 'logEvidence'>): Required<Omit<Known, 'checkpoint' | 'atStart'>> {
  return {
    page(after) {
      const ended = endedKeys(state);
      const counts = state.revocations.filter(({ revocation: { signer, id } }) => !ended.voids(signer, id));
      return pageOf(counts, after);
    },
    find: (ids) => pageOf(state.revocations.filter(({ revocation }) => ids.has(revocation.id))),
    evidence: () => logEvidence.evidence(),
  };
}
