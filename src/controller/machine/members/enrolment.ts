import { type ErrorCode, QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import {
  checkTime,
  type Grant,
  leaves,
  type Role,
  type Verified,
} from '../../../protocol/documents/index.ts';
import {
  checkEnrol,
  checkGrant,
  checkJoins,
  checkRoom,
  checkSameMember,
  checkTicket,
  checkTickets,
  checkTrusted,
  enforce,
  type GrantUse,
  grantTimes,
  unknownKey,
} from '../../../protocol/judge/index.ts';
import { revocationAt, sayRevoked } from '../../../protocol/trust/revocations.ts';
import type { ControllerState, EventOf, Transition } from '../state.ts';
import { charterOf, type Moment } from './charter.ts';
import { checkNotRevoked, endedKeys, isMember, memberRevoked, revocationsIn } from './revocations.ts';

function grantFor(transition: Transition, key: string, jti: string): Grant {
  const enrolled = transition.state.keys.get(key);
  if (!isMember(transition.state, enrolled)) throw unknownKey(key);
  checkNotRevoked(transition.state, { sub: key, ...enrolled });
  return {
    iss: transition.state.idp,
    sub: key,
    project: charterOf(transition).project,
    operator: enrolled.operator,
    role: enrolled.role,
    enrolled: enrolled.enrolled,
    jti,
    ...grantTimes(transition.now, transition.state.timings.grantMs),
  };
}

function replyGrant(transition: Transition, token: string, grant: Grant): void {
  const charter = transition.state.charter;
  if (charter === null) return;
  transition.reply(token, { kind: 'grant', grant, charter: charter.raw });
}

/** Enrols a key. Operators are created here alone: one invite, one operator, one vote. */
export function enrol(transition: Transition, event: EventOf<'enrol'>): void {
  const { token, enrol, invite } = event;
  const { state } = transition;
  const charter = charterOf(transition);
  checkEnrol(enrol.payload, charter, transition.now);
  checkTicket(event, charter, transition.now);
  checkIssuer(transition, invite.signer, 'TICKET_ISSUER_MISMATCH');
  const ticket = invite.payload;
  const key = enrol.signer;
  const joinedBefore = state.keys.get(key);
  const known = isMember(state, joinedBefore) ? joinedBefore : undefined;
  checkSameMember(key, known, ticket);
  checkNotRevoked(state, { sub: key, operator: ticket.operator, role: ticket.role });
  const joined = state.invites.get(ticket.jti) ?? [];
  // Two tickets may have one name: whoever stole the key that signs them chooses it.
  const isFirst = joined.length === 0 || !state.operators[ticket.role].has(ticket.operator);
  const joins = !joined.includes(key) || known === undefined;
  if (!joined.includes(key)) checkRoom(ticket, joined);
  if (joins) useTicket(transition, invite.signer, isFirst);
  if (joins) transition.mustSync();
  if (!joined.includes(key)) state.invites.set(ticket.jti, [...joined, key]);
  if (known === undefined)
    state.keys.set(key, {
      operator: ticket.operator,
      role: ticket.role,
      invite: ticket.jti,
      by: invite.signer,
      at: state.log.size,
      enrolled: admit(transition, ticket.operator, ticket.role, ticket.jti),
    });
  if (transition.durability !== 'sync') transition.unchanged();
  replyGrant(transition, token, grantFor(transition, key, enrol.payload.jti));
}

/** Counts a key that joins with a ticket of this signer, and the ticket where it is used first or its operator is new. @throws `TICKETS_FULL`. */
function useTicket({ state, rules }: Transition, signer: string, isFirst: boolean): void {
  const used = state.tickets.get(signer) ?? 0;
  const joins = state.joins.get(signer) ?? 0;
  if (rules >= 3 && isFirst) checkTickets(signer, used);
  if (rules >= 3) checkJoins(signer, joins);
  if (isFirst) state.tickets.set(signer, used + 1);
  state.joins.set(signer, joins + 1);
}

/** The log index at which this operator was first admitted in this role. */
function admit(transition: Transition, operator: string, role: Role, invite: string): number {
  const operators = transition.state.operators[role];
  const before = operators.get(operator);
  if (before !== undefined) return before;
  const index = transition.appendLeaf(leaves.enrol(operator, role, invite));
  operators.set(operator, index);
  return index;
}

export function renew(transition: Transition, { token, enrol }: EventOf<'renew'>): void {
  checkEnrol(enrol.payload, charterOf(transition), transition.now);
  replyGrant(transition, token, grantFor(transition, enrol.signer, enrol.payload.jti));
  transition.unchanged();
}

/** Whether a grant counts here and now, for a role where one is needed, and its holder is enrolled as it says. @throws those of `checkTime`, `checkGrant`, `checkEnrolled`. */
export function checkGranted(
  moment: Moment,
  grant: Verified<Grant>,
  use: Pick<GrantUse, 'by' | 'as'>,
): Grant {
  const charter = charterOf(moment);
  checkTime(grant.payload, moment.now, 'the grant');
  checkGrant(enforce, grant, charter, { ...use, at: Math.floor(moment.now / 1000) });
  checkIssuer(moment, grant.signer, 'GRANT_ISSUER_MISMATCH');
  checkEnrolled(moment, grant.payload);
  return grant.payload;
}

/** Refuses what a revoked identity provider signed, with the code for a key that the charter does not name: the holder may get another. */
function checkIssuer({ state, rules = 2 }: Moment, id: string, code: ErrorCode): void {
  if (rules < 2) return;
  const revoked = revocationAt(revocationsIn(state), { kind: 'key', id }, state.log.size);
  if (revoked !== undefined) throw new QuorateError(code, sayRevoked(revoked));
}

/** Whether a member counts as present. @throws those of `checkGranted`, `TRUSTED_KEY_NOT_IN_CHARTER`. */
export function checkPresent(moment: Moment, grant: Verified<Grant>): Grant {
  const granted = checkGranted(moment, grant, { by: grant.payload.sub });
  if (granted.role === 'trusted-worker') checkTrusted(charterOf(moment).trusted, granted.sub);
  return granted;
}

/** @throws `KEY_NOT_ENROLLED`, `KEY_REVOKED`, `OPERATOR_REVOKED`. */
export function checkEnrolled({ state }: Moment, { sub, operator, role, enrolled }: Grant): void {
  checkNotRevoked(state, { sub, operator, role });
  const known = state.keys.get(sub);
  const isSame = known?.operator === operator && known.role === role && known.enrolled === enrolled;
  if (isSame && isMember(state, known)) return;
  throw new QuorateError('KEY_NOT_ENROLLED', `the key ${sub} is not enrolled as ${operator} (${role})`);
}

/**
 * Whether a grant, also one that has run out, shows that its holder joined after the restored copy was made: the log has its operator
 * at that index. Not once a key was ended, or a document of the log is withheld: that may be about this member.
 */
function mayReadmit(state: ControllerState, { payload, signer }: Verified<Grant>): boolean {
  const { charter, recovered, keys, operators, joins, withheld } = state;
  const { project, sub, operator, role, enrolled } = payload;
  return (
    recovered &&
    charter !== null &&
    project === charter.payload.project &&
    charter.payload.idps.includes(signer) &&
    !keys.has(sub) &&
    withheld.size === 0 &&
    (joins.get(signer) ?? 0) < limits.joinsOfKeyMax &&
    operators[role].get(operator) === enrolled &&
    (role === 'trusted-worker' ? charter.payload.trusted.includes(sub) : endedKeys(state).size === 0) &&
    memberRevoked(state, payload) === undefined
  );
}

/** A member whose enrolment the copy does not have is one again. It counts as having joined now: the log does not tell when it did. */
export function readmit(transition: Transition, { grant }: EventOf<'readmit'>): void {
  const { state } = transition;
  if (!mayReadmit(state, grant)) return transition.unchanged();
  const { sub, operator, role, enrolled } = grant.payload;
  const [, , , invite = ''] = state.log.leaves(enrolled, enrolled + 1)[0]?.split(' ') ?? [];
  state.keys.set(sub, { operator, role, invite, by: grant.signer, at: state.log.size, enrolled });
  if (!isMember(state, state.keys.get(sub))) {
    state.keys.delete(sub);
    return transition.unchanged();
  }
  transition.mustSync();
  state.joins.set(grant.signer, (state.joins.get(grant.signer) ?? 0) + 1);
  state.invites.set(invite, [...(state.invites.get(invite) ?? []), sub]);
}
