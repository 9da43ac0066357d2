import { randomBytes } from 'node:crypto';
import { type Invite, type Role, type Signer, signMessage, type Verified } from '../core/documents/index.ts';
import { QuorateError } from '../core/errors.ts';
import { identityLimits } from './limits.ts';

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
  /** How long the ticket can be used; default and most: `identityLimits.inviteSecondsMax`. */
  seconds?: number;
}

/** Signs a ticket for one operator. Throws `INVITE_TOO_LONG`, `INVITE_NEEDS_KEY`, `DOC_INVALID`. */
export async function issueInvite(signer: Signer, parts: InviteParts): Promise<Verified<Invite>> {
  const seconds = parts.seconds ?? identityLimits.inviteSecondsMax;
  if (seconds > identityLimits.inviteSecondsMax) {
    throw new QuorateError(
      'INVITE_TOO_LONG',
      `an invite lasts at most ${identityLimits.inviteSecondsMax} s, not ${seconds} s`,
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
