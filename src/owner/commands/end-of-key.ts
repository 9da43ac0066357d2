import { escapeLine } from '../../protocol/base/escape.ts';
import type { OwnRevocation } from '../../protocol/sessions/own-revocations.ts';
import type { RevokedNow } from '../revoke.ts';

/** Revocations that are printed; the JSON has all. */
const namedMax = 20;

type End = Pick<RevokedNow, 'keeps' | 'voids' | 'voidLeaves'>;

/** For JSON: revocations of a key that stay, those that end with it, and leaves that are void. Empty where there are none. */
export function endOf({ keeps, voids, voidLeaves }: End): Partial<End> {
  return {
    ...(keeps.length + voids.length > 0 && { keeps, voids }),
    ...(voidLeaves.length > 0 && { voidLeaves }),
  };
}

/** The lines that say it to people. */
export function sayEnd({ keeps, voids, voidLeaves }: End): string[] {
  const leaves =
    voidLeaves.length === 0
      ? []
      : [
          'Void: leaves of the log that name these revocations, which nobody signed:',
          ...few(voidLeaves.map((id) => `  ${id}`)),
        ];
  if (keeps.length + voids.length === 0) return leaves;
  const stay = `Of what that key revoked, ${keeps.length} stay`;
  const end = `${voids.length} count no more`;
  return [
    ...leaves,
    ...(keeps.length === 0 ? [`${stay}.`] : [`${stay}:`, ...lines(keeps)]),
    ...(voids.length === 0 ? [`${end}.`] : [`${end}; revoke again what should be:`, ...lines(voids)]),
  ];
}

function lines(all: readonly OwnRevocation[]): string[] {
  return few(
    all.map(
      ({ id, what, leaf, reason }) =>
        `  ${id.slice(0, 12)}  leaf ${leaf ?? '?'}  ${what.kind} ${what.id}: ${escapeLine(reason, 100)}`,
    ),
  );
}

function few(all: readonly string[]): string[] {
  if (all.length <= namedMax) return [...all];
  return [...all.slice(0, namedMax), `  and ${all.length - namedMax} more: --json has all`];
}
