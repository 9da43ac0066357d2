import { limits } from '../../../protocol/base/limits.ts';
import type { Charter, Grant, Verified } from '../../../protocol/documents/index.ts';
import {
  EndedKeys,
  memberRevokedAt,
  type Revoked,
  revocationAt,
  revokedBy,
  revokedError,
  revokedUnder,
} from '../../../protocol/trust/revocations.ts';
import type { ControllerState, Enrolled, LoggedRevocation } from '../state.ts';

/** Derived from the revocations in the log; made again when there is another one. */
interface Derived {
  length: number;
  endsKeys: boolean;
  all: readonly Revoked[];
  ended: EndedKeys;
  /** By charter. */
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
export function isFull(state: ControllerState, signer: string): boolean {
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

/** Those of `state.lapsed` of whose target none that counts reaches as far: their owner may want to sign them again. */
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

/** The revocation for which a key may not act in its role any more. A trusted worker's key is revoked by itself. */
export function memberRevoked(
  state: ControllerState,
  { sub, operator, role }: Pick<Grant, 'sub' | 'operator' | 'role'>,
): Revoked | undefined {
  return memberRevokedAt(revocationsIn(state), { sub, operator, role }, state.log.size);
}

/**
 * Whether a key is a member: it joined with a ticket of a key that was its owner's then. Who stole the identity provider's key joins with
 * keys of its own, also as an operator that was there before, which no leaf tells.
 */
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

/** Errors: `KEY_REVOKED`, `OPERATOR_REVOKED`. */
export function checkNotRevoked(
  state: ControllerState,
  member: Pick<Grant, 'sub' | 'operator' | 'role'>,
): void {
  const revoked = memberRevoked(state, member);
  if (revoked !== undefined) throw revokedError(revoked);
}
