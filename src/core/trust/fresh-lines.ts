import type { Charter, Grant, Verified } from '../documents/index.ts';
import { checkGrant, enforce } from '../judge/index.ts';
import { limits } from '../limits.ts';
import type { Witness } from '../transparency/index.ts';
import { type Revoked, revocationAt } from './revocations.ts';
import { witnessedBy } from './witnesses.ts';

export interface Freshness {
  /** The one in force. */
  charter: Charter;
  /** Those that count under it. */
  revoked: readonly Revoked[];
  /** Of workers, in a project without a trusted worker. Those that do not hold are left out. */
  grants: readonly Verified<Grant>[];
  /** Index of the last leaf under the checkpoint. */
  last: number;
  /** The caller's clock, in seconds since the epoch. */
  now: number;
  ageSecondsMax: number;
}

/**
 * Whether the lines under a checkpoint show that it was current not long ago, by others than whoever holds the log key: one of a trusted
 * worker that the charter names or, where it names none, those of workers of as many operators as its floor asks to agree. Lines from the
 * future do not count: they would never grow old.
 */
export function areFresh(lines: readonly Witness[], about: Freshness): boolean {
  const { charter, revoked, grants, last, now, ageSecondsMax } = about;
  const recent = lines.filter(
    ({ time }) => time >= now - ageSecondsMax && time <= now + limits.clockSkewSeconds,
  );
  if (charter.trusted.length > 0)
    return recent.some(
      ({ witness }) =>
        charter.trusted.includes(witness) &&
        revocationAt(revoked, { kind: 'key', id: witness }, last) === undefined,
    );
  const more = grants.filter((grant) =>
    recent.some(({ witness, time }) => grant.payload.sub === witness && holds(grant, charter, time)),
  );
  const context = { charter, revoked, decidedAt: 0, last };
  const by = witnessedBy(enforce, { keys: recent, named: [] }, { receipts: [], more }, context);
  return by.operators.length >= charter.floor.agree;
}

function holds(grant: Verified<Grant>, charter: Charter, at: number): boolean {
  try {
    checkGrant(enforce, grant, charter, { by: grant.payload.sub, as: 'worker', at });
    return true;
  } catch {
    return false;
  }
}
