import { QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { type Charter, type Grant, instantiate, type Verified } from '../../../protocol/documents/index.ts';
import {
  checkGrant,
  checkRequest,
  checkTemplate,
  checkTrusted,
  enforce,
  keysOf,
} from '../../../protocol/judge/index.ts';
import type { ControllerState, Run, Transition } from '../state.ts';

/** State and time (ms since the epoch), for checks that change nothing. `rules`: of the event; those of now where absent. */
export type Moment = Pick<Transition, 'state' | 'now'> & Partial<Pick<Transition, 'rules'>>;

/** The charter in force, as the root key signed it. @throws `CONTROLLER_NOT_STARTED`. */
export function signedCharter({ state }: Pick<Moment, 'state'>): Verified<Charter> {
  if (state.charter === null)
    throw new QuorateError('CONTROLLER_NOT_STARTED', 'the controller has no charter yet');
  return state.charter;
}

/** The charter in force. @throws `CONTROLLER_NOT_STARTED`. */
export function charterOf(moment: Moment): Charter {
  return signedCharter(moment).payload;
}

/** Its keys are named from now on; it is in force where no newer one is. */
export function putInForce(state: ControllerState, charter: Verified<Charter>): void {
  for (const key of keysOf(charter.payload)) state.named.add(key);
  if (state.charter === null || charter.payload.epoch > state.charter.payload.epoch) state.charter = charter;
}

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

/** Why no verdict on what there is of a run would hold: its request or a receipt, which are in its evidence for good. */
export function refusalOfRun(run: Run, charter: Charter): QuorateError | undefined {
  return refusalBy(() => {
    checkRequest(enforce, run, charter);
    checkTemplate(enforce, run.request.payload, instantiate(run.job, {}), charter);
    for (const { grant } of run.documents.values()) checkGrantStill(grant, charter);
  });
}

/** Why the holder of a grant may not act for a run any more. */
export function refusalOfGrant(grant: Verified<Grant>, charter: Charter): QuorateError | undefined {
  const { sub, role } = grant.payload;
  return refusalBy(() => {
    if (role === 'trusted-worker') checkTrusted(charter.trusted, sub);
    checkGrantStill(grant, charter);
  });
}

/** A charter changes nothing else about a grant. */
function checkGrantStill(grant: Verified<Grant>, charter: Charter): void {
  const { sub, iat } = grant.payload;
  checkGrant(enforce, grant, charter, { by: sub, at: iat });
}
