import { randomBytes } from 'node:crypto';
import { QuorateError } from '../protocol/base/errors.ts';
import {
  type Invite,
  type Role,
  type Signer,
  signMessage,
  type Verified,
} from '../protocol/documents/index.ts';
import { identityLimits } from './limits.ts';

/** 144 random bits in base64url, for the `jti` or `nonce` of a document. */
export function randomNonce(): string {
  return randomBytes(18).toString('base64url');
}

export interface InviteParts {
  project: string;
  operator: string;
  role: Role;
  /** Number of keys that may enrol as this operator; they share one vote. Default: 1. */
  hosts?: number;
  /** PeerId of the key. Required for a trusted worker, whose key the charter lists. */
  key?: string;
  /** PeerId of a key whose private half is in the ticket only. */
  holder?: string;
  addrs: readonly string[];
  /** Milliseconds since the epoch. */
  now: number;
  /** Validity in seconds. Default and maximum: the limit for invites. */
  seconds?: number;
}

/** Signs an invite for one operator. @throws INVITE_TOO_LONG, INVITE_NEEDS_KEY, DOC_INVALID */
export async function issueInvite(signer: Signer, parts: InviteParts): Promise<Verified<Invite>> {
  const { project, operator, role, hosts = 1, key, holder, addrs, now } = parts;
  const { seconds = identityLimits.inviteSecondsMax } = parts;
  if (seconds > identityLimits.inviteSecondsMax)
    throw new QuorateError(
      'INVITE_TOO_LONG',
      `an invite lasts at most ${identityLimits.inviteSecondsMax} s, not ${seconds} s`,
    );
  if (role === 'trusted-worker' && key === undefined)
    throw new QuorateError('INVITE_NEEDS_KEY', 'an invite for a trusted worker must name its key', {
      hint: 'Create the key on the host of the trusted worker first (quorate key) and add its id to the charter.',
    });
  const iat = Math.floor(now / 1000);
  return signMessage(
    'invite',
    {
      iss: signer.id,
      project,
      operator,
      role,
      hosts,
      ...(key !== undefined && { key }),
      ...(holder !== undefined && { holder }),
      addrs: [...addrs],
      jti: randomNonce(),
      iat,
      exp: iat + seconds,
    },
    signer,
  );
}
