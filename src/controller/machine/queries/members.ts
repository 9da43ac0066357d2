import type { Rank } from '../../../protocol/base/rank.ts';
import type { Role } from '../../../protocol/documents/index.ts';
import { isMember, memberRevoked } from '../members/revocations.ts';
import type { ControllerState } from '../state.ts';

export interface MemberFacts {
  key: string;
  operator: string;
  role: Role;
  /** `revoked`: its key or operator; `dismissed`: it joined with a ticket of an identity provider's key that was not its owner's then. */
  state: 'member' | 'revoked' | 'dismissed';
  /** The identity provider's key that signed its ticket, and the ticket's id. */
  by: string;
  invite: string;
  /** Leaves of the log when it joined. */
  since: number;
  /** The log index at which its operator was first admitted in this role. */
  enrolled: number;
}

/** A page of members in the order they joined, after one or from the first on: `max` at most. `next`: the last of them, where more follow. */
export function membersPage(
  state: ControllerState,
  max: number,
  after?: string,
): { members: MemberFacts[]; next: string | null } {
  const keys = [...state.keys.keys()];
  const first = after === undefined ? 0 : keys.indexOf(after) + 1;
  const members = keys.slice(first, first + max).flatMap((key): MemberFacts[] => {
    const enrolled = state.keys.get(key);
    if (enrolled === undefined) return [];
    const { operator, role, by, invite, at, enrolled: since } = enrolled;
    const isRevoked = memberRevoked(state, { sub: key, operator, role }) !== undefined;
    const stands = isRevoked ? 'revoked' : isMember(state, enrolled) ? 'member' : 'dismissed';
    return [{ key, operator, role, state: stands, by, invite, since: at, enrolled: since }];
  });
  return { members, next: keys.length > first + max ? (members.at(-1)?.key ?? null) : null };
}

/** Rank of a peer at the controller: publishers and trusted workers are the owner's. */
export function rankOf(state: ControllerState, key: string): Rank {
  const enrolled = state.keys.get(key);
  if (!isMember(state, enrolled) || memberRevoked(state, { sub: key, ...enrolled }) !== undefined)
    return 'guest';
  return enrolled.role === 'publisher' || enrolled.role === 'trusted-worker' ? 'owner' : 'member';
}
