import { randomBytes } from 'node:crypto';
import {
  checkTime,
  type Grant,
  type Invite,
  type Role,
  type Signer,
  signMessage,
  type Verified,
} from '../core/documents/index.ts';
import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** 144 random bits, base64url: the `jti` or `nonce` of a document. */
export function randomNonce(): string {
  return randomBytes(18).toString('base64url');
}

export interface InviteParts {
  project: string;
  operator: string;
  role: Role;
  /** How many keys may enrol as this operator; they share one vote. Default 1. */
  machines?: number;
  /** Required for a trusted worker: its key, which the charter names. */
  key?: string;
  addrs: readonly string[];
  /** Milliseconds since the epoch. */
  now: number;
  /** How long the ticket can be used; default and most: `limits.inviteSecondsMax`. */
  seconds?: number;
}

/** Signs a ticket for one operator. Throws `INVITE_TOO_LONG`, `INVITE_NEEDS_KEY`, `DOC_INVALID`. */
export async function issueInvite(signer: Signer, parts: InviteParts): Promise<Verified<Invite>> {
  const seconds = parts.seconds ?? limits.inviteSecondsMax;
  if (seconds > limits.inviteSecondsMax) {
    throw new QuorateError(
      'INVITE_TOO_LONG',
      `an invite lasts at most ${limits.inviteSecondsMax} s, not ${seconds} s`,
    );
  }
  if (parts.role === 'trusted-worker' && parts.key === undefined) {
    throw new QuorateError('INVITE_NEEDS_KEY', 'an invite for a trusted worker must name its key', {
      hint: 'Make the key on that machine first and put its id into the charter.',
    });
  }
  const iat = Math.floor(parts.now / 1000);
  return signMessage(
    'invite',
    {
      iss: signer.id,
      project: parts.project,
      operator: parts.operator,
      role: parts.role,
      machines: parts.machines ?? 1,
      ...(parts.key === undefined ? {} : { key: parts.key }),
      addrs: [...parts.addrs],
      jti: randomNonce(),
      iat,
      exp: iat + seconds,
    },
    signer,
  );
}

export interface InviteCheck {
  project: string;
  /** IDP keys of the charter. */
  idps: readonly string[];
  /** Milliseconds since the epoch. */
  now: number;
  /** The key that wants to enrol. */
  subject: string;
}

/**
 * Whether this invite admits that key, now. How many machines it admitted already is for whoever keeps that list.
 * Throws `INVITE_OTHER_PROJECT`, `INVITE_NOT_BY_IDP`, `INVITE_TOO_LONG`, `INVITE_NEEDS_KEY`, `INVITE_OTHER_KEY`,
 * `DOC_FROM_FUTURE`, `DOC_EXPIRED`.
 */
export function checkInvite(invite: Verified<Invite>, check: InviteCheck): void {
  const { project, role, operator, key, iat, exp } = invite.payload;
  if (project !== check.project) {
    throw new QuorateError('INVITE_OTHER_PROJECT', `the invite is for project ${project}`);
  }
  if (!check.idps.includes(invite.signer)) {
    throw new QuorateError(
      'INVITE_NOT_BY_IDP',
      `${invite.signer}, which signed the invite, is no identity provider of this project`,
      { hint: 'Ask the project owner for a new ticket.' },
    );
  }
  checkTime(invite.payload, check.now, `the invite for ${operator}`);
  if (exp - iat > limits.inviteSecondsMax) {
    throw new QuorateError('INVITE_TOO_LONG', `the invite lasts ${exp - iat} s`);
  }
  if (role === 'trusted-worker' && key === undefined) {
    throw new QuorateError('INVITE_NEEDS_KEY', 'the invite is for a trusted worker but names no key');
  }
  if (key !== undefined && key !== check.subject) {
    throw new QuorateError('INVITE_OTHER_KEY', `the invite is bound to the key ${key}`, {
      hint: 'Use it on the machine that holds this key.',
    });
  }
}

export interface GrantParts {
  project: string;
  /** The key that gets the grant. */
  subject: string;
  operator: string;
  role: Role;
  /** Log index at which this operator was first admitted. */
  enrolled: number;
  /** Milliseconds since the epoch. */
  now: number;
  /** Default and most: `limits.grantSecondsMax`. */
  seconds?: number;
}

/** Signs the word that a key belongs to an operator. Throws `DOC_INVALID`. */
export async function issueGrant(signer: Signer, parts: GrantParts): Promise<Verified<Grant>> {
  const iat = Math.floor(parts.now / 1000);
  return signMessage(
    'grant',
    {
      iss: signer.id,
      sub: parts.subject,
      project: parts.project,
      operator: parts.operator,
      role: parts.role,
      enrolled: parts.enrolled,
      jti: randomNonce(),
      iat,
      exp: iat + (parts.seconds ?? limits.grantSecondsMax),
    },
    signer,
  );
}
