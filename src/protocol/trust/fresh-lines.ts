import { limits } from '../base/limits.ts';
import type { Charter, Grant, Verified } from '../documents/index.ts';
import { checkGrant, enforce } from '../judge/index.ts';
import type { Witness } from '../transparency/index.ts';
import { everyLeaf, type Revoked, trustedAmong } from './revocations.ts';
import { witnessedBy } from './witnesses.ts';

interface Freshness {
  charter: Charter;
  /** Revocations that count under it. */
  revoked: readonly Revoked[];
  /** Grants of workers, in a project without a trusted worker. Invalid ones are skipped. */
  grants: readonly Verified<Grant>[];
  /** The caller's clock, in seconds since the epoch. */
  now: number;
  ageSecondsMax: number;
}

/**
 * Whether lines under a checkpoint show, beside its log key, that it was current lately: one of a trusted worker or, without any in the
 * charter, of workers of as many operators as the floor asks for. No lines from the future, which never grow old, and none of a revoked
 * key, from whatever leaf on: a thief could sign an old log.
 */
export function areFresh(lines: readonly Witness[], about: Freshness): boolean {
  const { charter, revoked, grants, now, ageSecondsMax } = about;
  const recent = lines.filter(
    ({ time }) => time >= now - ageSecondsMax && time <= now + limits.clockSkewSeconds,
  );
  if (charter.trusted.length > 0)
    return (
      trustedAmong(
        recent.map(({ witness }) => witness),
        charter,
        revoked,
        everyLeaf,
      ).length > 0
    );
  const more = grants.filter((grant) =>
    recent.some(({ witness, time }) => grant.payload.sub === witness && holds(grant, charter, time)),
  );
  const context = { charter, revoked, decidedAt: 0, last: everyLeaf };
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
