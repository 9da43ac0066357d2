import { QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import {
  type Charter,
  checkTime,
  type Grant,
  leaves,
  type Role,
  type Verified,
} from '../../../protocol/documents/index.ts';
import { checkRevocation, enforce, isNamed } from '../../../protocol/judge/index.ts';
import { sayFull } from '../../../protocol/trust/key-texts.ts';
import {
  EndedKeys,
  memberRevokedAt,
  type Revoked,
  revocationAt,
  revokedBy,
  revokedError,
  revokedUnder,
} from '../../../protocol/trust/revocations.ts';
import type { ControllerState, Enrolled, EventOf, LoggedRevocation, Transition } from '../state.ts';
import { charterOf } from './charter.ts';

/** Derived from the revocations in the log; made again when there is another one. */
interface Derived {
  length: number;
  endsKeys: boolean;
  all: readonly Revoked[];
  ended: EndedKeys;
  under: Map<string, Revoked[]>;
}
const derived = new WeakMap<readonly LoggedRevocation[], Derived>();

function derivedFrom({ revocations, endsKeys }: ControllerState): Derived {
  const known = derived.get(revocations);
  if (known?.length === revocations.length && known.endsKeys === endsKeys) return known;
  const all = revocations.map(({ revocation }) => revokedBy(revocation));
  const ended = new EndedKeys(endsKeys ? all : []);
  const fresh = { length: revocations.length, endsKeys, all, ended, under: new Map() };
  derived.set(revocations, fresh);
  return fresh;
}

/** The revocations in the log that count under a charter, by default the one in force. */
export function revocationsIn(
  state: ControllerState,
  charter: Verified<Charter> | null = state.charter,
): readonly Revoked[] {
  if (charter === null) return [];
  const { all, under } = derivedFrom(state);
  const known = under.get(charter.id);
  if (known !== undefined) return known;
  const found = revokedUnder(all, charter.payload, state.endsKeys);
  under.set(charter.id, found);
  return found;
}

/** The keys that the root revoked, by the log. */
export function endedKeys(state: ControllerState): EndedKeys {
  return derivedFrom(state).ended;
}

/** Whether a key has signed as many revocations as are taken of one. */
function isFull(state: ControllerState, signer: string): boolean {
  const max = signer === state.charter?.payload.project ? limits.rootRevocationsMax : limits.revocationsMax;
  let count = 0;
  for (const { revocation } of state.revocations) if (revocation.signer === signer) count++;
  return count >= max;
}

/** The keys of the charter in force for which that is so, or of which as many tickets were used or hosts joined. Those that the root ended sign nothing more. */
export function fullKeys(state: ControllerState): string[] {
  const { charter, revocations, tickets, joins } = state;
  if (charter === null) return [];
  const { idps, project } = charter.payload;
  const mayRevoke = revocations.length < limits.revocationsMax;
  return [project, ...idps].filter(
    (key) =>
      ((tickets.get(key) ?? 0) >= limits.ticketsOfKeyMax ||
        (joins.get(key) ?? 0) >= limits.joinsOfKeyMax ||
        (!mayRevoke && isFull(state, key))) &&
      !endedKeys(state).has(key),
  );
}

/** The revocations of `state.lapsed` whose target no counting revocation covers as far back: their owner may want to sign them again. */
export function lapsedRevocations(state: ControllerState): LoggedRevocation[] {
  if (state.lapsed.length === 0) return [];
  const all = revocationsIn(state);
  const ids = new Set(state.lapsed);
  return state.revocations.filter(({ revocation: { id, payload } }) => {
    const again = ({ what, since }: Revoked) =>
      what.kind === payload.what.kind && what.id === payload.what.id && since <= payload.since;
    return ids.has(id) && !all.some(again);
  });
}

type Member = Pick<Grant, 'sub' | 'operator' | 'role'>;

/** The revocation for which a key may not act in its role any more. A trusted worker's key is revoked by itself. */
export function memberRevoked(state: ControllerState, { sub, operator, role }: Member): Revoked | undefined {
  return memberRevokedAt(revocationsIn(state), { sub, operator, role }, state.log.size);
}

/** Whether a key joined with a ticket of a key that was its owner's then: a stolen one admits keys of the thief, also under known operators. */
export function isMember(state: ControllerState, enrolled: Enrolled | undefined): enrolled is Enrolled {
  if (enrolled === undefined) return false;
  if (!state.endsKeys) return true;
  const { by, at } = enrolled;
  if (revocationAt(revocationsIn(state), { kind: 'key', id: by }, at) === undefined) return true;
  // An end from its own leaf on says nothing of what was before. Joining needs no leaf, so that the log may have had none since.
  return !state.revocations.some(
    ({ revocation: { payload }, index }) =>
      payload.what.id === by && payload.since <= at && payload.since < index,
  );
}

/** @throws `KEY_REVOKED`, `OPERATOR_REVOKED`. */
export function checkNotRevoked(state: ControllerState, member: Member): void {
  const revoked = memberRevoked(state, member);
  if (revoked !== undefined) throw revokedError(revoked);
}

/** Runs whose policies say how many operators rounds ask for. */
const looksMax = 50;

/** Operators of workers, or of trusted ones, that are admitted and not revoked. */
export function operatorsLeft(state: ControllerState, role: Role = 'worker'): string[] {
  const gone = new Set(
    revocationsIn(state).flatMap(({ what }) => (what.kind === 'operator' ? [what.id] : [])),
  );
  return [...state.operators[role].keys()].filter((name) => !gone.has(name));
}

/** The most slots that a round has: by the charter's floors, and of the runs that were asked for last. */
export function slotsAsked(state: ControllerState): number {
  const charter = state.charter?.payload;
  let most = Math.max(charter?.floor.of ?? 0, charter?.testFloor?.of ?? 0);
  let looked = 0;
  for (const { request } of state.index.latest()) {
    if (looked++ >= looksMax) break;
    most = Math.max(most, request.payload.policy.of);
  }
  return most;
}

/**
 * Takes a revocation into the log; returns whether it is new. @throws `DOC_FROM_FUTURE`, those of `checkRevocation`,
 * `REVOCATION_…`, `KEY_REVOKED`, `REVOCATIONS_FULL`.
 */
export function revoke(transition: Transition, { token, revocation }: EventOf<'revoke'>): boolean {
  const { state, out } = transition;
  const charter = charterOf(transition);
  const known = state.revocations.find((one) => one.revocation.id === revocation.id);
  if (known !== undefined) {
    transition.reply(token, { kind: 'revoked', index: known.index });
    transition.unchanged();
    return false;
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
  const index = transition.appendLeaf(leaves.revocation(revocation.id));
  state.revocations.push({
    revocation,
    charter: revoked.byRoot ? null : (state.charter?.raw ?? null),
    index,
  });
  transition.reply(token, { kind: 'revoked', index });
  out.push({ kind: 'revocation', id });
  return true;
}

/** Applies the ends of keys from the first start under rules 2 on. Returns whether other revocations count than before. */
export function endRevokedKeys({ state, rules }: Transition): boolean {
  if (rules < 2 || state.endsKeys) return false;
  state.endsKeys = true;
  if (endedKeys(state).size === 0) return false;
  state.lapsed = lapsing(state);
  return true;
}

/** Ids of the revocations that count no more and were in the log before their key was ended: a list of what stays would have named them. */
function lapsing(state: ControllerState): string[] {
  const ended = endedKeys(state);
  const ends = revocationsIn(state).filter(({ what, byRoot }) => byRoot && what.kind === 'key');
  return state.revocations.flatMap(({ revocation: { id, signer }, index }) =>
    ended.voids(signer, id) && ends.every(({ what, since }) => what.id !== signer || index < since)
      ? [id]
      : [],
  );
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
