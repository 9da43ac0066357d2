import { escapeLine } from '../core/escape.ts';
import type { OwnRevocation } from '../core/sessions/own-revocations.ts';
import type { RevokedNow } from '../runtime/membership/revoke.ts';

/** Revocations that are printed; the JSON has all. */
const namedMax = 20;

/** For JSON: which revocations of a key stay, and which end with it; nothing where it revoked none. */
export function endOf({ keeps, voids }: Pick<RevokedNow, 'keeps' | 'voids'>): {
  keeps?: OwnRevocation[];
  voids?: OwnRevocation[];
} {
  return keeps.length + voids.length === 0 ? {} : { keeps, voids };
}

/** The same for people. */
export function sayEnd({ keeps, voids }: Pick<RevokedNow, 'keeps' | 'voids'>): string[] {
  if (keeps.length + voids.length === 0) return [];
  return [
    `Of what that key revoked, ${keeps.length} stay:`,
    ...lines(keeps),
    `${voids.length} count no more; revoke again what should be:`,
    ...lines(voids),
  ];
}

function lines(all: readonly OwnRevocation[]): string[] {
  const said = all
    .slice(0, namedMax)
    .map(
      ({ id, what, leaf, reason }) =>
        `  ${id.slice(0, 12)}  leaf ${leaf ?? '?'}  ${what.kind} ${what.id}: ${escapeLine(reason, 100)}`,
    );
  return all.length > namedMax ? [...said, `  and ${all.length - namedMax} more: --json has all`] : said;
}
