import { limits } from '../../protocol/base/limits.ts';
import { Counts } from '../../protocol/base/maps.ts';
import { isTrustedSlot, resultIdOf } from '../../protocol/documents/index.ts';
import type { WorkerEffect, WorkerEvent } from './events.ts';
import { workerLimits } from './limits.ts';
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

/** Answers from earlier builds that a trusted worker signed: one for each request, which has one place in the log. */
export class SignedAnswers {
  /** By request: the id of the verdict, its publisher's operator, and the end of the request in seconds since the epoch. */
  readonly #signed = new Map<string, { verdict: string; publisher: string | undefined; exp: number }>();
  /** How many of them are of an operator. */
  readonly #of = new Counts();

  /** Decides on an answer whose evidence was checked; `isNew`: it has to be on disk before it is signed. `now`: ms since the epoch. */
  decide(
    event: Extract<WorkerEvent, { kind: 'answer-checked' }>,
    now: number,
  ): { effect: WorkerEffect; isNew: boolean } {
    const { request, verdict, publisher, iat, exp, ok } = event;
    const seconds = Math.floor(now / 1000);
    this.#forget(seconds);
    const refuse = (code: string, message: string) => ({
      effect: { kind: 'refuse-answer' as const, verdict, code, message },
      isNew: false,
    });
    if (!ok) return refuse(event.code, event.message);
    const skew = limits.clockSkewSeconds;
    if (seconds > exp + skew) return refuse('REQUEST_OVER', `the request ended ${seconds - exp} s ago`);
    if (seconds < iat - skew)
      return refuse('DOC_FROM_FUTURE', `the request is of ${iat - seconds} s later than now`);
    const before = this.#signed.get(request);
    const sign = { kind: 'sign-answer', verdict } as const;
    // Asked again, because its signature did not arrive.
    if (before?.verdict === verdict) return { effect: sign, isNew: false };
    if (before !== undefined)
      return refuse('COSIGN_ANSWERED', 'this worker signed another answer to that request');
    if (this.#signed.size >= workerLimits.answersMax)
      return refuse('COSIGN_ANSWERS_FULL', `this worker remembers ${this.#signed.size} answers already`);
    if (publisher !== undefined && this.#of.of(publisher) >= workerLimits.answersPerPublisherMax)
      return refuse(
        'COSIGN_ANSWERS_FULL',
        `this worker remembers ${workerLimits.answersPerPublisherMax} answers to requests of ${publisher} already`,
      );
    this.#signed.set(request, { verdict, publisher, exp });
    if (publisher !== undefined) this.#of.add(publisher, 1);
    return { effect: sign, isNew: true };
  }

  /** The oldest, where their requests have ended. One that lasts keeps those behind it, for a week at most. */
  #forget(seconds: number): void {
    for (const [request, { publisher, exp }] of this.#signed) {
      if (seconds <= exp + limits.clockSkewSeconds) return;
      this.#signed.delete(request);
      if (publisher !== undefined) this.#of.add(publisher, -1);
    }
  }
}
