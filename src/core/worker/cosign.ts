import { isTrustedSlot } from '../documents/index.ts';
import type { BuildResult, WorkerEffect, WorkerEvent } from './events.ts';
import type { Assignment } from './state.ts';

/** Co-signs only an outcome that this worker built and whose receipt was acknowledged before it saw the draft. */
export function cosignOrRefuse(
  assignment: Assignment | undefined,
  { lease, request, outcome, ok, code, message }: Extract<WorkerEvent, { kind: 'cosign-checked' }>,
): WorkerEffect {
  const own = assignment?.result?.outcome;
  const refuse = (why: string, says: string): WorkerEffect => ({
    kind: 'refuse-cosign',
    lease,
    code: why,
    message: says,
  });
  if (!ok) return refuse(code, message);
  if (assignment?.state !== 'acked' || own === undefined)
    return refuse('COSIGN_NOT_BUILT', 'this worker has no acknowledged receipt for that job');
  if (!isTrustedSlot(assignment.lease.payload.slot))
    return refuse('COSIGN_NOT_TRUSTED_SLOT', 'this worker did not build as trusted worker');
  if (assignment.request !== request)
    return refuse('COSIGN_REQUEST_MISMATCH', 'the verdict is about another request');
  if (outcome === null || !sameVote(own, outcome))
    return refuse('COSIGN_RESULT_MISMATCH', 'this worker built something else');
  return { kind: 'cosign', lease };
}

/** The same exit status and the same output root; of two failures only that both failed counts. */
function sameVote(a: BuildResult['outcome'], b: BuildResult['outcome']): boolean {
  if (a.kind !== 'exit' || b.kind !== 'exit') return false;
  return (a.code === 0) === (b.code === 0) && (a.code !== 0 || a.artifact === b.artifact);
}
