import type { QuorateError } from '../../../protocol/base/errors.ts';
import { escapeLine } from '../../../protocol/base/escape.ts';
import { type Charter, type Grant, leaves, type Verified } from '../../../protocol/documents/index.ts';
import { unknownKey } from '../../../protocol/judge/index.ts';
import { revokedError, sayRevoked, voteRevoked } from '../../../protocol/trust/revocations.ts';
import { isOver } from '../facts.ts';
import { putInForce, refusalOfGrant, refusalOfRun } from '../members/charter.ts';
import { isMember, memberRevoked, revocationsIn } from '../members/revocations.ts';
import { expel } from '../presence.ts';
import { trustedLeases } from '../slots.ts';
import { currentRound, liveLeases, type Run, type Transition } from '../state.ts';
import { nextVoidedBy, reviewPublished } from '../verdicts/review.ts';
import { considerAbsence } from './absence.ts';
import { endRun } from './cancel.ts';
import { considerWindow } from './claims.ts';
import { loseLease } from './leases.ts';
import { considerOutdated, judgeVersions, passForOlder } from './older.ts';
import { redecide, redraft, settle } from './settle.ts';
import { loseTrusted } from './trusted-slot.ts';

/**
 * Puts a charter of a higher epoch in force and into the log; returns whether it did. Open runs are judged by it: those of which
 * no evidence would count end, and holders that may not act any more lose what they hold.
 */
export function takeCharter(transition: Transition, charter: Verified<Charter>): boolean {
  const { state } = transition;
  if (state.charter !== null && charter.payload.epoch <= state.charter.payload.epoch) return false;
  transition.appendLeaf(leaves.charter(charter.id));
  putInForce(state, charter);
  actOnCharter(transition, charter.payload);
  return true;
}

export function actOnCharter(transition: Transition, charter: Charter): void {
  const { presence, index } = transition.state;
  for (const [key, { role }] of presence.workers)
    if (role === 'trusted-worker' && !charter.trusted.includes(key)) expel(presence, key);
  judgeVersions(transition.state);
  // A run that ends leaves the index.
  for (const run of [...index.open.values()]) applyCharter(transition, run, charter);
}

function applyCharter(transition: Transition, run: Run, charter: Charter): void {
  const refused = refusalOfRun(run, charter);
  if (refused !== undefined) {
    const { message, code, hint } = refused;
    const says = hint === undefined ? message : `${message}. ${hint}`;
    // A message may quote a repository, which may be longer than a worker takes.
    return endRun(transition, run, `the new charter does not allow it: ${code}: ${escapeLine(says, 400)}`);
  }
  if (dismiss(transition, run, (grant) => refusalOfGrant(grant, charter))) redecide(transition, run);
  redraft(transition, run);
  passForOlder(transition, run);
  considerOutdated(transition, run);
  considerWindow(transition, run);
  settle(transition, run);
}

/** Ends the leases, claims and runs that revocations void, and decides every published verdict again. */
export function reviewAll(transition: Transition): void {
  const { state } = transition;
  for (const [key, { operator, role }] of state.presence.workers)
    if (
      !isMember(state, state.keys.get(key)) ||
      memberRevoked(state, { sub: key, operator, role }) !== undefined
    )
      expel(state.presence, key);
  // In the order they were submitted. That in which they finished is another after a replay, where a lost bundle was stored again.
  const all = [...state.index.latest()].reverse();
  for (const run of all) if (state.finished.has(run.id)) reviewPublished(transition, run);
  for (const run of state.runs.values()) {
    // First: a new round takes back what was agreed.
    reviewPublished(transition, run);
    if (isOver(run)) continue;
    applyRevocations(transition, run);
    considerAbsence(transition, run);
  }
}

function applyRevocations(transition: Transition, run: Run): void {
  const { state } = transition;
  const whole = nextVoidedBy(state, run);
  if (whole !== undefined) return endRun(transition, run, sayRevoked(whole));
  const dismissed = dismiss(transition, run, ({ payload }) => {
    if (!isMember(state, state.keys.get(payload.sub))) return unknownKey(payload.sub);
    const revoked = memberRevoked(state, payload);
    return revoked === undefined ? undefined : revokedError(revoked);
  });
  const all = revocationsIn(state);
  const touched =
    dismissed ||
    run.reused !== null ||
    run.receipts.some((vote) => voteRevoked(all, vote) !== undefined) ||
    all.some(({ what }) => what.kind === 'artifact');
  if (touched) redecide(transition, run);
  considerWindow(transition, run);
  settle(transition, run);
}

/** Why the holder of a grant may not act any more. */
type Refusal = (grant: Verified<Grant>) => QuorateError | undefined;

/** Ends claims and leases whose holders may not act any more. Returns whether a trusted worker's receipt was among them. */
function dismiss(transition: Transition, run: Run, refusal: Refusal): boolean {
  dismissCandidates(transition, run, refusal);
  for (const { id, grant } of liveLeases(run)) {
    const refused = refusal(grant);
    if (refused !== undefined) loseLease(transition, run, id, refused.message, refused.code);
  }
  return dismissTrusted(transition, run, refusal);
}

function dismissCandidates(transition: Transition, run: Run, refusal: Refusal): void {
  const round = currentRound(run);
  if (round === undefined) return;
  round.candidates = round.candidates.filter((candidate) => {
    const refused = refusal(candidate.grant);
    if (refused !== undefined) transition.refuse(refused.code, candidate, refused.message);
    return refused === undefined;
  });
}

function dismissTrusted(transition: Transition, run: Run, refusal: Refusal): boolean {
  const dismissed = trustedLeases(run).filter((live) => {
    const refused = refusal(live.grant);
    if (refused !== undefined) loseTrusted(transition, run, live, refused.message, refused.code);
    return refused !== undefined;
  });
  return dismissed.length > 0;
}
