import {
  type Charter,
  checkTime,
  type Enrol,
  type Grant,
  leaves,
  type Role,
  type Verified,
} from '../documents/index.ts';
import { QuorateError } from '../errors.ts';
import { checkGrant, enforce } from '../judge/index.ts';
import { limits } from '../limits.ts';
import { counted } from '../quantity.ts';
import { checkNotRevoked } from './revocations.ts';
import type { EventOf, Transition } from './state.ts';
import { appendLeaf, mustSync, unchanged } from './state.ts';

/** State and time (ms since the epoch), for checks that change nothing. */
export type Moment = Pick<Transition, 'state' | 'now'>;

/** The charter in force, as the root key signed it. Errors: `CONTROLLER_NOT_STARTED`. */
export function signedCharter({ state }: Moment): Verified<Charter> {
  if (state.charter === null)
    throw new QuorateError('CONTROLLER_NOT_STARTED', 'the controller has no charter yet');
  return state.charter;
}

/** The charter in force. Errors: `CONTROLLER_NOT_STARTED`. */
export function charterOf(moment: Moment): Charter {
  return signedCharter(moment).payload;
}

/**
 * Whether a peer may act as a publisher here and now. Changes nothing. Errors: `DOC_EXPIRED`, `DOC_FROM_FUTURE`, those of
 * `checkGrant`, `KEY_NOT_ENROLLED`, `OPERATOR_REVOKED`, `KEY_REVOKED`.
 */
export function checkPublisher(moment: Moment, publisher: Verified<Grant>, peer: string): void {
  const charter = charterOf(moment);
  checkTime(publisher.payload, moment.now, 'the grant');
  const at = Math.floor(moment.now / 1000);
  checkGrant(enforce, publisher, charter, { by: peer, as: 'publisher', at });
  checkEnrolled(moment, publisher.payload);
}

const askOwner = 'Ask the owner of the project for a new ticket.';

function checkEnrol(transition: Transition, enrol: Enrol): void {
  const charter = charterOf(transition);
  checkTime(enrol, transition.now, 'the enrolment');
  if (enrol.project !== charter.project) {
    throw new QuorateError(
      'TICKET_PROJECT_MISMATCH',
      `this controller serves project ${charter.project}, not ${enrol.project}`,
      { hint: askOwner },
    );
  }
  // A member may know an older charter, whose key is named beside the one that signs now.
  if (!charter.idps.includes(enrol.aud))
    throw new QuorateError('ENROL_AUDIENCE_MISMATCH', 'the enrolment was made for another identity provider');
}

function grantFor(transition: Transition, key: string, jti: string): Grant {
  const enrolled = transition.state.keys.get(key);
  if (enrolled === undefined) {
    throw new QuorateError('KEY_NOT_ENROLLED', `the key ${key} is not enrolled in this project`, {
      hint: 'Ask the owner for a ticket (quorate invite) and run: quorate join <ticket>',
    });
  }
  checkNotRevoked(transition.state, { sub: key, ...enrolled });
  const iat = Math.floor(transition.now / 1000);
  return {
    iss: transition.state.idp,
    sub: key,
    project: charterOf(transition).project,
    operator: enrolled.operator,
    role: enrolled.role,
    enrolled: enrolled.enrolled,
    jti,
    iat,
    exp:
      iat +
      Math.max(1, Math.min(limits.grantSecondsMax, Math.floor(transition.state.timings.grantMs / 1000))),
  };
}

function replyGrant(transition: Transition, token: string, grant: Grant): void {
  const charter = transition.state.charter;
  if (charter === null) return;
  transition.out.push({ kind: 'reply', token, reply: { kind: 'grant', grant, charter: charter.raw } });
}

/** Enrols a key. Operators are created here alone: one invite, one operator, one vote. */
export function enrol(transition: Transition, { token, enrol, invite }: EventOf<'enrol'>): void {
  const { state } = transition;
  const charter = charterOf(transition);
  checkEnrol(transition, enrol.payload);
  const ticket = invite.payload;
  checkTime(ticket, transition.now, 'the ticket');
  if (!charter.idps.includes(invite.signer)) {
    throw new QuorateError(
      'TICKET_ISSUER_MISMATCH',
      'the ticket is not signed by an identity provider of this project',
      { hint: askOwner },
    );
  }
  if (ticket.project !== charter.project) {
    throw new QuorateError(
      'TICKET_PROJECT_MISMATCH',
      `the ticket is for project ${ticket.project}, not ${charter.project}`,
      { hint: askOwner },
    );
  }
  if (enrol.payload.invite !== ticket.jti)
    throw new QuorateError('ENROL_TICKET_MISMATCH', 'the enrolment names another ticket');
  const key = enrol.signer;
  if (ticket.key !== undefined && ticket.key !== key) {
    throw new QuorateError(
      'TICKET_KEY_MISMATCH',
      `the ticket is bound to the key ${ticket.key}; this host has ${key}`,
      {
        hint: 'Run "quorate key" on the machine that shall join, and have the ticket made for what it prints.',
      },
    );
  }
  // A ticket of that role is bound to a key.
  if (ticket.role === 'trusted-worker') checkTrusted(ticket.key === key ? charter.trusted : [], key);
  const known = state.keys.get(key);
  if (known !== undefined && (known.operator !== ticket.operator || known.role !== ticket.role)) {
    throw new QuorateError(
      'KEY_ALREADY_ENROLLED',
      `the key ${key} is enrolled as ${known.operator} (${known.role}) already`,
      {
        hint: 'Use another --home: each has a key of its own.',
      },
    );
  }
  checkNotRevoked(state, { sub: key, operator: ticket.operator, role: ticket.role });
  const joined = state.invites.get(ticket.jti) ?? [];
  if (!joined.includes(key)) {
    if (joined.length >= ticket.hosts) {
      throw new QuorateError(
        'TICKET_EXHAUSTED',
        `the ticket was for ${counted(ticket.hosts, 'host')}, and that many have joined`,
        {
          hint: 'Ask the owner for a ticket with more: quorate invite <name> --hosts <n>',
        },
      );
    }
    state.invites.set(ticket.jti, [...joined, key]);
    mustSync(transition);
  }
  if (known === undefined)
    state.keys.set(key, {
      operator: ticket.operator,
      role: ticket.role,
      invite: ticket.jti,
      enrolled: admit(transition, ticket.operator, ticket.role, ticket.jti),
    });
  if (transition.durability !== 'sync') unchanged(transition);
  replyGrant(transition, token, grantFor(transition, key, enrol.payload.jti));
}

/** The log index at which this operator was first admitted in this role. */
function admit(transition: Transition, operator: string, role: Role, invite: string): number {
  const operators = transition.state.operators[role];
  const before = operators.get(operator);
  if (before !== undefined) return before;
  const index = appendLeaf(transition, leaves.enrol(operator, role, invite));
  operators.set(operator, index);
  return index;
}

export function renew(transition: Transition, { token, enrol }: EventOf<'renew'>): void {
  checkEnrol(transition, enrol.payload);
  replyGrant(transition, token, grantFor(transition, enrol.signer, enrol.payload.jti));
  unchanged(transition);
}

/**
 * Whether a grant lets its holder act here and now: it counts, and its holder is still enrolled as it says.
 * Errors: `DOC_EXPIRED`, `DOC_FROM_FUTURE`, those of `checkGrant` and `checkEnrolled`.
 */
export function checkGranted(moment: Moment, grant: Verified<Grant>, by: string): Grant {
  const charter = charterOf(moment);
  checkTime(grant.payload, moment.now, 'the grant');
  checkGrant(enforce, grant, charter, { by, at: Math.floor(moment.now / 1000) });
  checkEnrolled(moment, grant.payload);
  return grant.payload;
}

/** Whether the charter names a trusted worker's key. Errors: `TRUSTED_KEY_NOT_IN_CHARTER`. */
export function checkTrusted(trusted: readonly string[], key: string): void {
  if (trusted.includes(key)) return;
  throw new QuorateError(
    'TRUSTED_KEY_NOT_IN_CHARTER',
    `the charter does not name ${key} as a trusted worker`,
    { hint: `The owner names it: quorate invite <name> --role trusted-worker --key ${key}` },
  );
}

/**
 * Whether a member may be counted as present. Errors: those of `checkGranted`, `TRUSTED_KEY_NOT_IN_CHARTER`.
 */
export function checkPresent(moment: Moment, grant: Verified<Grant>): Grant {
  const granted = checkGranted(moment, grant, grant.payload.sub);
  if (granted.role === 'trusted-worker') checkTrusted(charterOf(moment).trusted, granted.sub);
  return granted;
}

/** Errors: `KEY_NOT_ENROLLED`, `KEY_REVOKED`, `OPERATOR_REVOKED`. */
export function checkEnrolled({ state }: Moment, { sub, operator, role, enrolled }: Grant): void {
  checkNotRevoked(state, { sub, operator, role });
  const known = state.keys.get(sub);
  if (known?.operator === operator && known.role === role && known.enrolled === enrolled) return;
  throw new QuorateError('KEY_NOT_ENROLLED', `the key ${sub} is not enrolled as ${operator} (${role})`);
}
