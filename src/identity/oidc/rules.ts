import { oidcLimits } from './limits.ts';
import type { Rule, SignInRole, SignInSettings } from './settings.ts';

export type Claims = Readonly<Record<string, unknown>>;

const isShort = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= oidcLimits.claimCharsMax;

/**
 * Claims of an ID token before those of the user information. That an address is verified counts for the one stated beside it, or the same.
 */
export function joinedClaims(token: Claims, information: Claims): Claims {
  const { email, email_verified } = token;
  const isOfToken = email !== undefined && (email_verified !== undefined || email !== information.email);
  const { email_verified: verified } = isOfToken ? token : information;
  return { ...information, ...token, email_verified: verified };
}

/** The claims that decide, and nothing else of what a provider sends: it is kept as long as a session. */
export function neededClaims(claims: Claims, { rules }: Pick<SignInSettings, 'rules'>): Claims {
  const names = new Set(['email', 'email_verified', ...rules.map(({ claim }) => claim)]);
  const kept = (value: unknown) => {
    if (typeof value === 'boolean' || isShort(value)) return value;
    return Array.isArray(value) ? value.slice(0, oidcLimits.claimValuesMax).filter(isShort) : undefined;
  };
  return Object.fromEntries(
    [...names].map((name) => [name, Object.hasOwn(claims, name) ? kept(claims[name]) : undefined]),
  );
}

/** An address counts once the provider says that it is the person's. */
function claimOf(claims: Claims, name: string): unknown {
  if (name === 'email' && claims.email_verified !== true) return undefined;
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

function matches({ claim, is, contains }: Rule, claims: Claims): boolean {
  const value = claimOf(claims, claim);
  if (contains !== undefined) return Array.isArray(value) && value.includes(contains);
  return value !== undefined && value === is;
}

/** How a person is named everywhere: unambiguous, since an issuer has no fragment. */
export const personOf = (issuer: string, subject: string): string => `${issuer}#${subject}`;

/** The highest role that the owner's rules give a person; undefined for none, and for who is revoked. */
export function roleOf(
  { person, claims }: { person: string; claims: Claims },
  { rules, revoked }: Pick<SignInSettings, 'rules' | 'revoked'>,
): SignInRole | undefined {
  const subject = person.slice(person.indexOf('#') + 1);
  // Also those that are not verified, however they are spelled: a person may change what the provider says of them.
  const addresses = [claims.email]
    .flat()
    .flatMap((one) => (typeof one === 'string' ? one.toLowerCase() : []));
  const isRevoked = (entry: string) =>
    entry === person || entry === subject || addresses.includes(entry.toLowerCase());
  if (revoked.some(isRevoked)) return undefined;
  const given = rules.filter((rule) => matches(rule, claims)).map(({ role }) => role);
  if (given.includes('publisher')) return 'publisher';
  return given.includes('reader') ? 'reader' : undefined;
}
