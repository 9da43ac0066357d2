import { QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { checkGrant, enforce } from '../../protocol/judge/index.ts';
import { charterOf } from './members/enrolment.ts';
import type { Run, Transition } from './state.ts';

/** The error with which a check refuses; undefined where it holds. */
export function refusalBy(check: () => void): QuorateError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof QuorateError) return error;
    throw error;
  }
}

/** Why nobody would take a first round or an answer now: the request and the publisher's grant have to be good when that is made. */
export function publisherLapsed(transition: Transition, { publisher, request }: Run): string | undefined {
  const at = Math.floor(transition.now / 1000);
  // Under the rules before only the end of a request itself was looked for, at the next tick.
  if (transition.rules >= 3 && at > request.payload.exp + limits.clockSkewSeconds)
    return 'it comes too late for its request, which has ended: publish it again';
  const refused = refusalBy(() =>
    checkGrant(enforce, publisher, charterOf(transition), { by: request.signer, as: 'publisher', at }),
  );
  return refused && `it comes too late for the grant of its publisher (${refused.code}): publish it again`;
}
