import { QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { checkTime, leaves } from '../../../protocol/documents/index.ts';
import { checkRevocation, enforce, isNamed, unknownKey } from '../../../protocol/judge/index.ts';
import { sayFull } from '../../../protocol/trust/key-texts.ts';
import {
  type Revoked,
  revokedBy,
  revokedError,
  sayRevoked,
  voteRevoked,
} from '../../../protocol/trust/revocations.ts';
import { dismiss } from '../dismiss.ts';
import { isOver } from '../facts.ts';
import { considerRecall } from '../inputs/recall.ts';
import { charterOf } from '../members/enrolment.ts';
import { endedKeys, isFull, isMember, memberRevoked, revocationsIn } from '../members/revocations.ts';
import { expel } from '../presence.ts';
import { reviewPublished } from '../review.ts';
import {
  appendLeaf,
  type ControllerState,
  type EventOf,
  type Run,
  type Transition,
  unchanged,
} from '../state.ts';
import { runRevoked } from '../verdicts/review.ts';
import { considerAbsence } from './absence.ts';
import { endRun } from './cancel.ts';
import { considerWindow } from './claims.ts';
import { decideAgain, settle } from './settle.ts';

/**
 * Takes a revocation into the log, and acts on it at once: leases and claims of what is revoked end, runs that rest on it
 * whole end, and every published verdict is decided again. A verdict that does not stand any more stays published; the
 * revocation is published beside it.
 * Errors: `DOC_FROM_FUTURE`, those of `checkRevocation`, `REVOCATION_SINCE_AHEAD`, `REVOCATION_TARGET_UNKNOWN`,
 * `KEY_REVOKED`, `REVOCATIONS_FULL`.
 */
export function revoke(transition: Transition, { token, revocation }: EventOf<'revoke'>): void {
  const { state, out } = transition;
  const charter = charterOf(transition);
  const known = state.revocations.find((one) => one.revocation.id === revocation.id);
  if (known !== undefined) {
    out.push({ kind: 'reply', token, reply: { kind: 'revoked', index: known.index } });
    return unchanged(transition);
  }
  checkTime(revocation.payload, transition.now, 'the revocation');
  checkRevocation(enforce, revocation, charter);
  const revoked = revokedBy(revocation);
  // Under the charter that named it, nobody would take the revocation for one.
  const { what, byRoot } = revoked;
  enforce(
    'REVOCATION_NEEDS_ROOT',
    byRoot || what.kind !== 'key' || !state.named.has(what.id),
    `a charter of before names ${what.id}; only the root key revokes it`,
    'Put root.key into .quorate/ for this one command.',
  );
  checkTarget(state, revoked);
  const { signer, id } = revocation;
  enforce(
    'KEY_REVOKED',
    !endedKeys(state).voids(signer, id),
    `the revocation is signed by ${signer}, which the root key revoked; it revokes nothing more`,
  );
  if (isFull(state, signer)) throw fullError(signer, byRoot);
  const index = appendLeaf(transition, leaves.revocation(revocation.id));
  state.revocations.push({
    revocation,
    charter: revoked.byRoot ? null : (state.charter?.raw ?? null),
    index,
  });
  out.push({ kind: 'reply', token, reply: { kind: 'revoked', index } });
  out.push({ kind: 'revocation', id });
  reconsider(transition);
}

/** From the first start under rules 2 on the end of a key is that of its revocations, also of one in a journal of rules 1. */
export function beginToEndKeys(transition: Transition): void {
  const { state, rules } = transition;
  if (rules < 2 || state.endsKeys) return;
  state.endsKeys = true;
  if (endedKeys(state).size === 0) return;
  state.lapsed = lapsing(state);
  reconsider(transition);
}

/** Of those that count no more, the ones in the log before their key was ended: a list of what stays would have named them. */
function lapsing(state: ControllerState): string[] {
  const ended = endedKeys(state);
  const ends = revocationsIn(state).filter(({ what, byRoot }) => byRoot && what.kind === 'key');
  return state.revocations.flatMap(({ revocation: { id, signer }, index }) =>
    ended.voids(signer, id) && ends.every(({ what, since }) => what.id !== signer || index < since)
      ? [id]
      : [],
  );
}

/** The revocations in the log are others than before, or count otherwise: acts on all that rests on them. */
export function reconsider(transition: Transition): void {
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
    act(transition, run);
    considerAbsence(transition, run);
  }
  for (const { id } of all) {
    const run = state.index.get(id);
    if (run !== undefined) considerRecall(transition, run);
  }
}

const fullError = (signer: string, byRoot: boolean): QuorateError =>
  byRoot
    ? new QuorateError(
        'REVOCATIONS_FULL',
        `the root key has signed ${limits.rootRevocationsMax} revocations, and no more are taken of it`,
        { hint: 'The project cannot revoke anything any more: begin another one, see docs/rotation.md.' },
      )
    : new QuorateError('REVOCATIONS_FULL', sayFull(signer), {
        hint: 'quorate rotate idp --at-once --since <the leaf from which it is not yours any more>; with root.key in .quorate/ other revocations are signed by the root meanwhile.',
      });

function checkTarget(state: ControllerState, { what, since, byRoot }: Revoked): void {
  if (since > state.log.size)
    throw new QuorateError(
      'REVOCATION_SINCE_AHEAD',
      `the revocation is from leaf ${since} on; the log has ${state.log.size}`,
      { hint: 'Without --since it is the size of the log.' },
    );
  const charter = state.charter?.payload;
  const known =
    what.kind === 'operator'
      ? Object.values(state.operators).some((operators) => operators.has(what.id))
      : what.kind !== 'key' ||
        byRoot ||
        state.keys.has(what.id) ||
        (charter !== undefined && isNamed(charter, what.id));
  if (!known)
    throw new QuorateError(
      'REVOCATION_TARGET_UNKNOWN',
      `no ${what.kind} ${what.id} was ever enrolled in this project`,
      { hint: 'quorate show <job> names the operators that built it.' },
    );
}

/** Applies a revocation to a run that is not over. */
function act(transition: Transition, run: Run): void {
  const { state } = transition;
  const next = { index: state.log.size, artifact: null };
  // Its next verdict would be void.
  const whole = runRevoked(state, run, next, state.charter, [
    ...run.rounds.map(({ offer }) => ({ signer: offer.iss, index: offer.index })),
    { signer: state.id, index: state.log.size },
  ]);
  if (whole !== undefined) return endRun(transition, run, sayRevoked(whole));
  const dismissed = dismiss(transition, run, ({ payload }) => {
    if (!isMember(state, state.keys.get(payload.sub))) return unknownKey(payload.sub);
    const revoked = memberRevoked(state, payload);
    return revoked === undefined ? undefined : revokedError(revoked);
  });
  const all = revocationsIn(state);
  const touched =
    dismissed ||
    run.answer !== null ||
    run.receipts.some((vote) => voteRevoked(all, vote) !== undefined) ||
    all.some(({ what }) => what.kind === 'artifact');
  if (touched) decideAgain(transition, run);
  considerWindow(transition, run);
  settle(transition, run);
}
