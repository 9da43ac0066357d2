import type { QuorateError } from '../../../protocol/base/errors.ts';
import { escapeLine } from '../../../protocol/base/escape.ts';
import {
  type Charter,
  type Grant,
  instantiate,
  leaves,
  type Verified,
} from '../../../protocol/documents/index.ts';
import {
  checkGrant,
  checkRequest,
  checkTemplate,
  checkTrusted,
  enforce,
  keysOf,
} from '../../../protocol/judge/index.ts';
import { dismiss } from '../dismiss.ts';
import { expel } from '../presence.ts';
import { refusalBy } from '../refusal.ts';
import { endRun } from '../rounds/cancel.ts';
import { considerWindow } from '../rounds/claims.ts';
import { considerOutdated, judgeVersions, passForOlder } from '../rounds/older.ts';
import { decideAgain, redraft, settle } from '../rounds/settle.ts';
import { appendLeaf, type ControllerState, type Run, type Transition } from '../state.ts';

/**
 * Puts a charter in force and into the log. All evidence of a run is judged by the charter that is in force when its verdict
 * is made: open runs of which none could be verified end, and whoever may not act any more loses what it holds. Returns false,
 * and changes nothing, where the epoch is not above the current one's.
 */
export function takeCharter(transition: Transition, charter: Verified<Charter>): boolean {
  const { state } = transition;
  if (state.charter !== null && charter.payload.epoch <= state.charter.payload.epoch) return false;
  appendLeaf(transition, leaves.charter(charter.id));
  putInForce(state, charter);
  actOnCharter(transition, charter.payload);
  return true;
}

/** Its keys are named from now on; it is in force where no newer one is. */
export function putInForce(state: ControllerState, charter: Verified<Charter>): void {
  for (const key of keysOf(charter.payload)) state.named.add(key);
  if (state.charter === null || charter.payload.epoch > state.charter.payload.epoch) state.charter = charter;
}

/** Acts on what changes with the charter in force. */
export function actOnCharter(transition: Transition, charter: Charter): void {
  const { presence, index } = transition.state;
  for (const [key, { role }] of presence.workers)
    if (role === 'trusted-worker' && !charter.trusted.includes(key)) expel(presence, key);
  judgeVersions(transition.state);
  // A run that ends leaves the index.
  for (const run of [...index.open.values()]) act(transition, run, charter);
}

/** Applies a charter to a run that is not over. */
function act(transition: Transition, run: Run, charter: Charter): void {
  const refused = refusalOfRun(run, charter);
  if (refused !== undefined) {
    const { message, code, hint } = refused;
    const says = hint === undefined ? message : `${message}. ${hint}`;
    // A message may quote a repository, which may be longer than a worker takes.
    return endRun(transition, run, `the new charter does not allow it: ${code}: ${escapeLine(says, 400)}`);
  }
  if (dismiss(transition, run, (grant) => refusalOf(grant, charter))) decideAgain(transition, run);
  redraft(transition, run);
  passForOlder(transition, run);
  considerOutdated(transition, run);
  considerWindow(transition, run);
  settle(transition, run);
}

/** Why no verdict on what there is of a run would hold: its request or a receipt, which are in its evidence for good. */
export function refusalOfRun(run: Run, charter: Charter): QuorateError | undefined {
  return refusalBy(() => {
    checkRequest(enforce, run, charter);
    checkTemplate(enforce, run.request.payload, instantiate(run.job, {}), charter);
    for (const { grant } of run.documents.values()) checkIssuer(grant, charter);
  });
}

/** Why the holder of a grant may not act for a run any more. */
function refusalOf(grant: Verified<Grant>, charter: Charter): QuorateError | undefined {
  const { sub, role } = grant.payload;
  return refusalBy(() => {
    if (role === 'trusted-worker') checkTrusted(charter.trusted, sub);
    checkIssuer(grant, charter);
  });
}

/** A charter changes nothing else about a grant. */
function checkIssuer(grant: Verified<Grant>, charter: Charter): void {
  const { sub, iat } = grant.payload;
  checkGrant(enforce, grant, charter, { by: sub, at: iat });
}
