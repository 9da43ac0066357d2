import { isTrustedSlot, resultIdOf } from '../../protocol/documents/index.ts';
import type { WorkerEffect, WorkerEvent } from './events.ts';
import type { Assignment } from './state.ts';

/**
 * Co-signs only the result that this worker computed from the tree it built, each file's hash included, and whose receipt
 * was acknowledged before it saw the draft. A lease that ended while its draft was checked needs no answer.
 */
export function cosignOrRefuse(
  assignment: Assignment | undefined,
  { lease, request, result, ok, code, message }: Extract<WorkerEvent, { kind: 'cosign-checked' }>,
): WorkerEffect[] {
  if (assignment === undefined || assignment.state === 'revealed') return [];
  const own = assignment.result;
  const refuse = (why: string, says: string): WorkerEffect[] => [
    { kind: 'refuse-cosign', lease, code: why, message: says },
  ];
  if (!ok) return refuse(code, message);
  if (assignment.state !== 'acked' || own === null)
    return refuse('COSIGN_NOT_BUILT', 'this worker has no acknowledged receipt for that job');
  if (!isTrustedSlot(assignment.lease.payload.slot))
    return refuse('COSIGN_NOT_TRUSTED_SLOT', 'this worker did not build as trusted worker');
  if (assignment.request !== request)
    return refuse('COSIGN_REQUEST_MISMATCH', 'the verdict is about another request');
  if (result === null || resultIdOf(own.outcome, own.files) !== result)
    return refuse('COSIGN_RESULT_MISMATCH', 'this worker built something else');
  return [{ kind: 'cosign', lease }];
}
