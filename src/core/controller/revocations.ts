import type { Charter, Grant, Verified } from '../documents/index.ts';
import {
  memberRevokedAt,
  type Revoked,
  revokedBy,
  revokedError,
  revokedUnder,
} from '../trust/revocations.ts';
import type { ControllerState } from './state.ts';

/** The revocations in the log that count under a charter, by default the one in force. */
export function revocationsIn(
  { charter: inForce, revocations }: ControllerState,
  charter: Verified<Charter> | null = inForce,
): Revoked[] {
  if (charter === null) return [];
  return revokedUnder(
    revocations.map(({ revocation }) => revokedBy(revocation)),
    charter.payload,
  );
}

/** The revocation for which a key may not act in its role any more. A trusted worker's key is revoked by itself. */
export function memberRevoked(
  state: ControllerState,
  { sub, operator, role }: Pick<Grant, 'sub' | 'operator' | 'role'>,
): Revoked | undefined {
  return memberRevokedAt(revocationsIn(state), { sub, operator, role }, state.log.size);
}

/** Errors: `KEY_REVOKED`, `OPERATOR_REVOKED`. */
export function checkNotRevoked(
  state: ControllerState,
  member: Pick<Grant, 'sub' | 'operator' | 'role'>,
): void {
  const revoked = memberRevoked(state, member);
  if (revoked !== undefined) throw revokedError(revoked);
}
