import { artifactOf } from '../../documents/index.ts';
import { codeOfRevoked, sayRevoked, type VerdictUse, verdictRevoked } from '../revocations.ts';
import type { Ask, Logged, Opened } from './context.ts';
import { factsOf } from './verdict.ts';

/**
 * Whether a revocation voids the verdict whatever its receipts say: of its job, image or artifact, of a key or an operator
 * that asked, offered or decided. Receipts that are revoked are left to the decision. Codes: `…_REVOKED`.
 */
export function checkRevocations({ check, revoked }: Ask, opened: Opened, logged: Logged): void {
  const found = verdictRevoked(revoked, useOf(opened, logged));
  if (found !== undefined) check(codeOfRevoked(found), false, sayRevoked(found));
}

function useOf(opened: Opened, { verdictIndex, checkpoint }: Logged): VerdictUse {
  const { charter, request, publisher, job, jobId, offers, verdict } = opened;
  const { outcome, earlier } = factsOf(verdict);
  const rounds = offers.map(({ signer, payload }) => ({ signer, index: payload.index }));
  // Without a round the verdict is the first that was done for the request.
  const first = { signer: verdict.signer, index: verdictIndex };
  return {
    jobId,
    image: job.image,
    artifact: outcome === null ? null : artifactOf(outcome),
    controller: verdict.signer,
    index: verdictIndex,
    log: { key: charter.payload.log, last: checkpoint.size - 1 },
    publisher: {
      key: request.signer,
      operator: publisher.payload.operator,
      issuer: publisher.signer,
    },
    offers: earlier === undefined ? rounds : [first],
  };
}
