import { artifactOf } from '../../documents/index.ts';
import {
  codeOfRevoked,
  forkOf,
  type Revoked,
  sayRevoked,
  trustedAmong,
  type VerdictUse,
  verdictRevoked,
} from '../revocations.ts';
import type { Ask, Logged, Opened } from './context.ts';
import { factsOf } from './documents.ts';
import { placeOf } from './place.ts';

/**
 * Whether a revocation voids the verdict whatever its receipts say; those that are revoked are left to the decision. Of evidence that
 * another verdict rests on (`beneath`) a log with two stories voids nothing yet; it is returned.
 */
export function checkRevocations(
  { check, revoked }: Ask,
  opened: Opened,
  logged: Logged,
  beneath: boolean,
): Revoked | undefined {
  const use = useOf(revoked, opened, logged);
  const found = verdictRevoked(revoked, beneath ? { ...use, log: { ...use.log, hasLine: true } } : use);
  if (found !== undefined) check(codeOfRevoked(found), false, sayRevoked(found));
  return forkOf(revoked, use.log);
}

/** Above evidence in a log with two stories a trusted worker has to have co-signed this verdict and its checkpoint. */
export function checkBeneath(
  { check, revoked }: Ask,
  opened: Opened,
  logged: Logged,
  fork: Revoked | undefined,
): void {
  if (fork === undefined || placeOf({ revoked }, opened, logged, null) === 'cosigned') return;
  check(codeOfRevoked(fork), false, `what the verdict rests on does not stand: ${sayRevoked(fork)}`);
}

function useOf(revoked: readonly Revoked[], opened: Opened, logged: Logged): VerdictUse {
  const { verdictIndex, checkpoint } = logged;
  const { charter, request, publisher, job, jobId, offers, verdict } = opened;
  const { outcome, earlier } = factsOf(verdict);
  const rounds = offers.map(({ signer, payload }) => ({ signer, index: payload.index }));
  const lines = checkpoint.witnesses.map(({ witness }) => witness);
  // Without a round the verdict is the first that was done for the request.
  const first = { signer: verdict.signer, index: verdictIndex };
  return {
    project: charter.payload.project,
    jobId,
    image: job.image,
    artifact: artifactOf(outcome),
    controller: verdict.signer,
    index: verdictIndex,
    log: {
      key: charter.payload.log,
      last: checkpoint.size - 1,
      hasLine: trustedAmong(lines, charter.payload, revoked, verdictIndex).length > 0,
    },
    publisher: { key: request.signer, operator: publisher.payload.operator, issuer: publisher.signer },
    offers: earlier === undefined ? rounds : [first],
  };
}
