import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { counted } from '../base/quantity.ts';
import {
  type Charter,
  checkTime,
  type Enrol,
  type Invite,
  type Possession,
  type Role,
  type Verified,
} from '../documents/index.ts';

const endThatKey =
  'The owner ends that key: quorate rotate idp, then --finish; where it was stolen: quorate rotate idp --at-once --since <the leaf from which it is not yours any more>';
const askOwner = 'Ask the owner of the project for a new ticket.';

/** Whether an enrolment or renewal is for this project now (ms since the epoch). */
export function checkEnrol(enrol: Enrol, charter: Charter, now: number): void {
  checkTime(enrol, now, 'the enrolment');
  if (enrol.project !== charter.project)
    throw new QuorateError(
      'TICKET_PROJECT_MISMATCH',
      `this controller serves project ${charter.project}, not ${enrol.project}`,
      { hint: askOwner },
    );
  // A member may know an older charter, whose key is named beside the one that signs now.
  if (!charter.idps.includes(enrol.aud))
    throw new QuorateError('ENROL_AUDIENCE_MISMATCH', 'the enrolment was made for another identity provider');
}

/** Documents with which a node asks to join. */
export interface TicketUse {
  invite: Verified<Invite>;
  enrol: Verified<Enrol>;
  /** Absent where the invite names no holder. */
  possession?: Verified<Possession> | undefined;
}

/** Whether a ticket admits the key that signed the enrolment, whoever has joined with it before. */
export function checkTicket(
  { invite: { payload: ticket, signer }, enrol, possession }: TicketUse,
  charter: Charter,
  now: number,
): void {
  checkTime(ticket, now, 'the ticket');
  if (!charter.idps.includes(signer))
    throw new QuorateError(
      'TICKET_ISSUER_MISMATCH',
      'the ticket is not signed by an identity provider of this project',
      { hint: askOwner },
    );
  if (ticket.project !== charter.project)
    throw new QuorateError(
      'TICKET_PROJECT_MISMATCH',
      `the ticket is for project ${ticket.project}, not ${charter.project}`,
      { hint: askOwner },
    );
  if (enrol.payload.invite !== ticket.jti)
    throw new QuorateError('ENROL_TICKET_MISMATCH', 'the enrolment names another ticket');
  const key = enrol.signer;
  if (ticket.key !== undefined && ticket.key !== key)
    throw new QuorateError(
      'TICKET_KEY_MISMATCH',
      `the ticket is bound to the key ${ticket.key}; this host has ${key}`,
      {
        hint: 'Run "quorate key" on the machine that shall join, and have the ticket made for what it prints.',
      },
    );
  if (ticket.holder !== undefined) checkHeld(ticket, key, possession, now);
  // A ticket of that role is bound to a key.
  if (ticket.role === 'trusted-worker') checkTrusted(ticket.key === key ? charter.trusted : [], key);
}

/** Whether who joins has the ticket itself, and not its invite alone. @throws `TICKET_NOT_HELD`, `DOC_EXPIRED`, `DOC_FROM_FUTURE`. */
function checkHeld(
  { holder, jti, project }: Invite,
  key: string,
  possession: Verified<Possession> | undefined,
  now: number,
): void {
  const said = possession?.payload;
  if (
    said === undefined ||
    possession?.signer !== holder ||
    said.invite !== jti ||
    said.sub !== key ||
    said.project !== project
  )
    throw new QuorateError('TICKET_NOT_HELD', `${key} does not show that it has the ticket itself`, {
      hint: 'Use the whole line of the ticket; with an older version of quorate, update it.',
    });
  checkTime(said, now, 'the use of the ticket');
}

/** Whether the charter names a trusted worker's key. @throws `TRUSTED_KEY_NOT_IN_CHARTER`. */
export function checkTrusted(trusted: readonly string[], key: string): void {
  if (trusted.includes(key)) return;
  throw new QuorateError(
    'TRUSTED_KEY_NOT_IN_CHARTER',
    `the charter does not name ${key} as a trusted worker`,
    { hint: `The owner names it: quorate invite <name> --role trusted-worker --key ${key}` },
  );
}

/** Whether a key that is enrolled already is so as this ticket says. @throws `KEY_ALREADY_ENROLLED`. */
export function checkSameMember(
  key: string,
  known: { operator: string; role: Role } | undefined,
  ticket: Invite,
): void {
  if (known === undefined || (known.operator === ticket.operator && known.role === ticket.role)) return;
  throw new QuorateError(
    'KEY_ALREADY_ENROLLED',
    `the key ${key} is enrolled as ${known.operator} (${known.role}) already`,
    { hint: 'Use another --home: each has a key of its own.' },
  );
}

/** Whether one more key may join with a ticket. @throws `TICKET_EXHAUSTED`. */
export function checkRoom(ticket: Invite, joined: readonly string[]): void {
  if (joined.length < ticket.hosts) return;
  throw new QuorateError(
    'TICKET_EXHAUSTED',
    `the ticket was for ${counted(ticket.hosts, 'host')}, and that many have joined`,
    { hint: 'Ask the owner for a ticket with more: quorate invite <name> --hosts <n>' },
  );
}

/** Whether one more ticket of a key may be used. `used`: how many were. @throws `TICKETS_FULL`. */
export function checkTickets(signer: string, used: number): void {
  if (used < limits.ticketsOfKeyMax) return;
  throw new QuorateError(
    'TICKETS_FULL',
    `${limits.ticketsOfKeyMax} tickets that the key ${signer} signed were used, and no more of it are taken`,
    { hint: endThatKey },
  );
}

/** Whether somebody may join once more with a ticket of a key. `joins`: how often that was. @throws `TICKETS_FULL`. */
export function checkJoins(signer: string, joins: number): void {
  if (joins < limits.joinsOfKeyMax) return;
  throw new QuorateError(
    'TICKETS_FULL',
    `${limits.joinsOfKeyMax} hosts joined with tickets that the key ${signer} signed, and no more do`,
    { hint: endThatKey },
  );
}

export function unknownKey(key: string): QuorateError {
  return new QuorateError('KEY_NOT_ENROLLED', `the key ${key} is not enrolled in this project`, {
    hint: 'Ask the owner for a ticket (quorate invite) and run: quorate join <ticket>',
  });
}

/** Times of a grant that is given at `now` (ms since the epoch) for `grantMs`, in seconds since the epoch. */
export function grantTimes(now: number, grantMs: number): { iat: number; exp: number } {
  const iat = Math.floor(now / 1000);
  return { iat, exp: iat + Math.max(1, Math.min(limits.grantSecondsMax, Math.floor(grantMs / 1000))) };
}
