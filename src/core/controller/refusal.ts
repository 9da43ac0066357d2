import { QuorateError } from '../errors.ts';
import { checkGrant, enforce } from '../judge/index.ts';
import { charterOf } from './enrolment.ts';
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

/** Why nobody would take a first round or an answer now: the publisher's grant has to be good when that is made. */
export function publisherLapsed(transition: Transition, { publisher, request }: Run): string | undefined {
  const at = Math.floor(transition.now / 1000);
  const refused = refusalBy(() =>
    checkGrant(enforce, publisher, charterOf(transition), { by: request.signer, as: 'publisher', at }),
  );
  return refused && `it comes too late for the grant of its publisher (${refused.code}): publish it again`;
}
