import { describe, expect, it } from 'vitest';
import { joinedClaims, neededClaims, personOf, roleOf } from '../../src/identity/oidc/rules.ts';
import { parseSignInSettings, type SignInSettings } from '../../src/identity/oidc/settings.ts';
import { codeOf, messageOf } from '../../src/protocol/base/errors.ts';

const valid = `origin = "https://ci.example.org"
services = ["https://watch.example.org", "http://127.0.0.1:4720"]
revoked = ["mallory"]

[provider]
issuer = "https://login.example.org/realms/main"
client-id = "quorate"
client-secret-file = "client-secret"

[sessions]
last = "4h"
idle = "20m"

[[rules]]
claim = "groups"
contains = "maintainers"
role = "publisher"

[[rules]]
claim = "email"
is = "ada@example.org"
role = "reader"
`;

const errorOf = (text: string): [string, string] => {
  try {
    parseSignInSettings(text, 'sign-in.toml');
  } catch (error) {
    return [codeOf(error), messageOf(error)];
  }
  throw new Error('it was taken');
};

describe('sign-in.toml', () => {
  it('says where people sign in, for how long, and who is what', () => {
    expect(parseSignInSettings(valid, 'sign-in.toml')).toMatchObject({
      origin: 'https://ci.example.org',
      provider: { issuer: 'https://login.example.org/realms/main', scopes: ['profile', 'email'] },
      sessionMs: 4 * 3_600_000,
      idleMs: 20 * 60_000,
      services: ['https://watch.example.org', 'http://127.0.0.1:4720'],
      revoked: ['mallory'],
    });
  });

  it.each([
    ['no TOML', `${valid}x = `, 'SIGN_IN_FILE_INVALID', 23],
    ['a key that there is not', valid.replace('client-id', 'client_id'), 'SIGN_IN_FILE_INVALID', 7],
    ['a table that there is not', `${valid}[oidc]\n`, 'SIGN_IN_FILE_INVALID', 23],
    ['a key that the second rule has not', valid.replace('is = ', 'equals = '), 'SIGN_IN_FILE_INVALID', 21],
    ['an issuer without TLS', valid.replace('https://login', 'http://login'), 'SIGN_IN_FILE_INVALID', 6],
    [
      'an issuer with a password',
      valid.replace('https://login', 'https://a:b@login'),
      'SIGN_IN_FILE_INVALID',
      6,
    ],
    ['an origin with a path', valid.replace('ci.example.org', 'ci.example.org/x'), 'SIGN_IN_FILE_INVALID', 1],
    ['a service without TLS', valid.replace('https://watch', 'http://watch'), 'SIGN_IN_FILE_INVALID', 2],
    ['a session of a week', valid.replace('"4h"', '"7d"'), 'SIGN_IN_FILE_INVALID', 11],
    ['a role that votes', valid.replace('"reader"', '"worker"'), 'SIGN_IN_FILE_INVALID', 22],
    ['a rule with both comparisons', `${valid}contains = "x"\n`, 'SIGN_IN_FILE_INVALID', 20],
    ['two places to sign in', `${valid}[idp]\nurl = "https://idp.example.org"\n`, 'SIGN_IN_FILE_INVALID', 23],
    ['a provider without rules', valid.slice(0, valid.indexOf('[[rules]]')), 'SIGN_IN_FILE_INVALID', 5],
  ])('with %s is refused, and the line told', (_, text, code, line) => {
    expect(errorOf(text)).toEqual([code, expect.stringMatching(new RegExp(`^sign-in\\.toml:${line}[: ]`))]);
  });
});

describe('the rules of the owner', () => {
  const settings = parseSignInSettings(valid, 'sign-in.toml');
  const person = personOf('https://login.example.org', 'u1');
  const role = (claims: Record<string, unknown>, over: Partial<SignInSettings> = {}, who = person) =>
    roleOf({ person: who, claims: neededClaims(claims, settings) }, { ...settings, ...over });

  it.each([
    ['a group that a rule names', { groups: ['staff', 'maintainers'] }, 'publisher'],
    ['a verified address', { email: 'ada@example.org', email_verified: true }, 'reader'],
    [
      'both: the higher one',
      { groups: ['maintainers'], email: 'ada@example.org', email_verified: true },
      'publisher',
    ],
  ])('give a role for %s', (_, claims, wanted) => expect(role(claims)).toBe(wanted));

  it.each([
    ['nothing', {}],
    ['another group', { groups: ['maintainers2', 'Maintainers'] }],
    ['a text that has the group in it', { groups: 'maintainers' }],
    ['groups in an object', { groups: { 0: 'maintainers' } }],
    ['groups in lists', { groups: [['maintainers']] }],
    ['an address that is not verified', { email: 'ada@example.org', email_verified: false }],
    ['an address that nobody says is verified', { email: 'ada@example.org' }],
    ['an address that is verified in a text', { email: 'ada@example.org', email_verified: 'true' }],
    ['an address in other letters', { email: 'Ada@example.org', email_verified: true }],
    ['a group beyond the number that is read', { groups: [...Array(2_000).fill('x'), 'maintainers'] }],
  ])('give none for %s', (_, claims) => expect(role(claims)).toBeUndefined());

  it.each([[person], ['u1'], ['ada@example.org']])('give none to who is revoked as %s', (entry) => {
    const claims = { groups: ['maintainers'], email: 'ada@example.org', email_verified: true };
    expect(role(claims)).toBe('publisher');
    expect(role(claims, { revoked: [entry] })).toBeUndefined();
  });

  it.each([
    ['not verified', { email: 'ada@example.org', email_verified: false }],
    ['of which nobody says that it is verified', { email: 'ada@example.org' }],
    ['in other letters', { email: 'Ada@Example.org', email_verified: true }],
    ['one of several', { email: ['eve@example.org', 'Ada@example.org'], email_verified: true }],
  ])('give none to who is revoked by an address, also where it is %s', (_, claims) => {
    const staff = { ...claims, groups: ['maintainers'] };
    expect(role(staff)).toBe('publisher');
    expect(role(staff, { revoked: ['ada@example.org'] })).toBeUndefined();
  });

  it('take an address for verified only by what is said of that one', () => {
    const [ada, eve] = ['ada@example.org', 'eve@example.org'];
    const isReader = (token: Record<string, unknown>, information: Record<string, unknown>) =>
      role(joinedClaims(token, information)) === 'reader';
    const verified = { email_verified: true };
    expect(isReader({ email: ada }, { email: eve, ...verified })).toBe(false);
    expect(isReader({ email: ada }, verified)).toBe(false);
    expect(isReader(verified, { email: ada, email_verified: false })).toBe(false);
    expect(isReader(verified, { email: ada })).toBe(false);
    expect(isReader({ email: ada, email_verified: false }, { email: ada, ...verified })).toBe(false);
    expect(isReader({ email: ada }, { email: ada, ...verified })).toBe(true);
    expect(isReader({}, { email: ada, ...verified })).toBe(true);
    expect(isReader({ email: ada, ...verified }, {})).toBe(true);
    expect(joinedClaims({ groups: ['a'] }, { groups: ['b'], x: 1 })).toMatchObject({ groups: ['a'], x: 1 });
  });

  it('keep nothing of a person that no rule asks for', () => {
    const kept = neededClaims({ sub: 'u1', phone: '1', groups: ['a', 7, 'b'.repeat(300)] }, settings);
    expect(kept).toEqual({ groups: ['a'], email: undefined, email_verified: undefined });
  });
});
