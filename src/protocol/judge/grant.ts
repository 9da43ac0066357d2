import { limits } from '../base/limits.ts';
import type { Charter, Grant, Role, Verified } from '../documents/index.ts';
import type { Check } from './check.ts';

export interface GrantUse {
  /** PeerId of the key that acts under the grant. */
  by: string;
  /** Role the action needs; absent where every role may act. */
  as?: Role;
  /** When the grant was used, in seconds since the epoch. */
  at: number;
}

/** Whether a grant counts: by an identity provider of the charter, for this project, key and role, and valid then. */
export function checkGrant(check: Check, grant: Verified<Grant>, charter: Charter, use: GrantUse): void {
  const { sub, project, role, iat, exp } = grant.payload;
  const { by, as = role, at } = use;
  const skew = limits.clockSkewSeconds;
  const it = `the grant of ${sub}`;
  const issued = charter.idps.includes(grant.signer);
  check('GRANT_ISSUER_MISMATCH', issued, `${it} is not from an identity provider of the charter`);
  check('GRANT_PROJECT_MISMATCH', project === charter.project, `${it} is for project ${project}`);
  check('GRANT_KEY_MISMATCH', sub === by, `${it} was used by ${by}`);
  check('GRANT_ROLE_MISMATCH', role === as, `${it} is for a ${role}; it was used as ${as}`);
  const valid = iat - skew <= at && at <= exp + skew;
  check('GRANT_NOT_VALID_THEN', valid, `${it} was not valid when it was used`);
}
