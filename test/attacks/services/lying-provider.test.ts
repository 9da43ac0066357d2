import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { oidcLimits } from '../../../src/identity/oidc/limits.ts';
import { OidcProvider } from '../../../src/identity/oidc/provider.ts';
import { codeOf } from '../../../src/protocol/base/errors.ts';
import { type LyingProvider, liarClient, startLyingProvider } from '../../support/lying-provider.ts';
import { withLimits } from '../../support/with-limits.ts';

const callback = 'http://127.0.0.1:4999/sign-in/callback';
let provider: LyingProvider;
let other: LyingProvider;

beforeAll(async () => {
  provider = await startLyingProvider();
  other = await startLyingProvider();
});
afterAll(async () => {
  await provider.close();
  await other.close();
});
beforeEach(() => {
  provider.lies = {};
  provider.asked.length = 0;
});

const client = () =>
  new OidcProvider({
    issuer: provider.issuer,
    clientId: liarClient,
    clientSecret: 'secret',
    scopes: ['profile'],
    wanted: () => ['groups', 'level'],
    now: Date.now,
  });

/** A sign-in from begin to end; `answer` changes what the browser comes back with. */
async function signIn(answer: Record<string, string> = {}, of = client()) {
  const { url, checks } = await of.begin(callback);
  provider.nonce = url.searchParams.get('nonce') ?? '';
  const back = new URL(callback);
  back.search = new URLSearchParams({ code: 'c', state: checks.state, ...answer }).toString();
  return of.finish(back, checks);
}
const codeOfSignIn = (answer?: Record<string, string>, of?: OidcProvider) =>
  signIn(answer, of).then(
    () => 'signed in',
    (error: unknown) => codeOf(error),
  );

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);

describe('an OpenID Connect provider', () => {
  it('that is honest signs people in', async () => {
    expect(await signIn()).toMatchObject({
      person: `${provider.issuer}#ada`,
      claims: { groups: ['maintainers'] },
    });
    expect(provider.asked).toEqual(['/.well-known/openid-configuration', '/token', '/jwks', '/me']);
  });

  it.each<[string, Record<string, unknown>]>([
    ['of another issuer', { iss: 'https://login.example' }],
    ['for another client', { aud: 'another' }],
    ['for several clients, made out to another', { aud: [liarClient, 'another'], azp: 'another' }],
    ['with another nonce', { nonce: 'n'.repeat(43) }],
    ['without a nonce', { nonce: undefined }],
    ['that expired', { iat: now() - 900, exp: now() - 600 }],
    ['without an end', { exp: undefined }],
    ['from the future', { iat: now() + 900, nbf: now() + 900 }],
    ['of nobody', { sub: '' }],
    ['of somebody whose subject draws on a terminal', { sub: 'ada\u001b[2J' }],
    ['of somebody with a longer subject than there are', { sub: 'a'.repeat(256) }],
  ])('sends an ID token %s: nobody is signed in', async (_, claims) => {
    provider.lies = { claims };
    expect(await codeOfSignIn()).toBe('OIDC_ANSWER_REFUSED');
  });

  it.each<[string, (claims: object) => string | Promise<string>]>([
    ['with alg none', (claims) => `${base64url({ alg: 'none' })}.${base64url(claims)}.`],
    [
      'with alg HS256 and the client secret',
      (claims) => {
        const input = `${base64url({ alg: 'HS256' })}.${base64url(claims)}`;
        return `${input}.${createHmac('sha256', 'secret').update(input).digest('base64url')}`;
      },
    ],
    [
      'with alg HS256 and the public key as its secret',
      (claims) => {
        const input = `${base64url({ alg: 'HS256', kid: 'k' })}.${base64url(claims)}`;
        const secret = JSON.stringify(provider.publicJwk);
        return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
      },
    ],
    ['signed with the key of another provider', (claims) => other.sign({ ...claims })],
    ['without a signature', async (claims) => (await provider.sign({ ...claims })).replace(/[^.]+$/, '')],
    [
      'with other claims than it signed',
      async (claims) => {
        const [head, , signature] = (await provider.sign({ ...claims })).split('.');
        return `${head}.${base64url({ ...claims, sub: 'root' })}.${signature}`;
      },
    ],
    ['that is no token', () => 'hello'],
  ])('sends an ID token %s: nobody is signed in', async (_, idToken) => {
    for (const metadata of [{}, { id_token_signing_alg_values_supported: ['ES256', 'HS256', 'none'] }]) {
      provider.lies = { idToken, metadata };
      expect(await codeOfSignIn()).toBe('OIDC_ANSWER_REFUSED');
    }
  });

  it('tells of another person at its user information: nobody is signed in', async () => {
    provider.lies = { userInfo: { sub: 'root' } };
    expect(await codeOfSignIn()).toBe('OIDC_ANSWER_REFUSED');
  });

  it.each<[number, Record<string, string>, string]>([
    [401, { 'www-authenticate': 'Bearer error="insufficient_scope"' }, ''],
    [403, { 'content-type': 'application/json' }, '{"error":"insufficient_scope"}'],
    [403, {}, ''],
    [404, { 'content-type': 'text/html' }, '<html>'],
    [500, {}, 'oops'],
  ])(
    'answers %i where its user information is asked for: the error says what is asked for, and what to do',
    async (status, headers, body) => {
      provider.lies = {
        paths: { '/me': (_, response) => void response.writeHead(status, headers).end(body) },
      };
      const error = await signIn().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: 'OIDC_USER_INFO_REFUSED',
        message: `the provider answers ${status} where the user information is asked for: ${provider.issuer}/me`,
        hint: expect.stringMatching(/^It is asked for level, .*scopes in sign-in\.toml/),
      });
    },
  );

  it('says more at its user information than in the ID token, which counts where both say something', async () => {
    provider.lies = { userInfo: { groups: ['owners'], level: 'high' } };
    expect((await signIn()).claims).toMatchObject({ groups: ['maintainers'], level: 'high' });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['of another issuer', { issuer: 'https://login.example' }, 'OIDC_PROVIDER_INVALID'],
    [
      'with a token endpoint without TLS elsewhere',
      { token_endpoint: 'http://10.0.0.1/token' },
      'OIDC_PROVIDER_INVALID',
    ],
    ['with keys without TLS elsewhere', { jwks_uri: 'http://10.0.0.1/jwks' }, 'OIDC_PROVIDER_INVALID'],
    ['with keys in a file', { jwks_uri: 'file:///etc/passwd' }, 'OIDC_ANSWER_REFUSED'],
    [
      'that sends browsers elsewhere without TLS',
      { authorization_endpoint: 'http://evil.example/' },
      'OIDC_PROVIDER_INVALID',
    ],
    [
      'that sends browsers to a script',
      { authorization_endpoint: 'javascript:alert(1)' },
      'OIDC_PROVIDER_INVALID',
    ],
  ])('has metadata %s: it is not used', async (_, metadata, code) => {
    provider.lies = { metadata };
    expect(await codeOfSignIn()).toBe(code);
  });

  const paths = ['/.well-known/openid-configuration', '/token', '/jwks', '/me'];

  it.each(paths)('redirects to another host at %s: nobody follows', async (path) => {
    other.asked.length = 0;
    provider.lies = {
      paths: {
        [path]: (_, response) => void response.writeHead(302, { location: `${other.issuer}${path}` }).end(),
      },
    };
    expect(await codeOfSignIn()).toBe('OIDC_PROVIDER_INVALID');
    expect(other.asked).toEqual([]);
  });

  it.each(paths)('sends without end at %s: reading ends', async (path) => {
    let sent = 0;
    provider.lies = {
      paths: {
        [path]: (_, response) => {
          response.writeHead(200, { 'content-type': 'application/json' });
          const more = () => {
            while (response.write(' '.repeat(16_384))) sent += 16_384;
            response.once('drain', more);
          };
          more();
        },
      },
    };
    withLimits(oidcLimits, { answerBytesMax: 100_000 });
    expect(await codeOfSignIn()).toBe('OIDC_PROVIDER_INVALID');
    // The buffers of sockets come on top.
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it.each(paths)('never answers at %s, or never ends: it is given up', async (path) => {
    for (const begin of [false, true]) {
      provider.lies = {
        paths: {
          [path]: (_, response) => {
            if (begin) response.writeHead(200, { 'content-type': 'application/json' }).write('{');
          },
        },
      };
      withLimits(oidcLimits, { requestMsMax: 300 });
      expect(await codeOfSignIn()).toBe('OIDC_PROVIDER_UNREACHABLE');
    }
  });

  it.each(paths)('sends what is no JSON at %s: nobody is signed in', async (path) => {
    provider.lies = {
      paths: {
        [path]: (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      },
    };
    expect(await codeOfSignIn()).toMatch(/^OIDC_(ANSWER_REFUSED|PROVIDER_INVALID)$/);
  });

  it('is tried again after it failed', async () => {
    withLimits(oidcLimits, { requestMsMax: 300 });
    const of = client();
    provider.lies = { paths: { '/.well-known/openid-configuration': () => {} } };
    expect(await codeOfSignIn({}, of)).toBe('OIDC_PROVIDER_UNREACHABLE');
    provider.lies = {};
    expect(await codeOfSignIn({}, of)).toBe('signed in');
  });
});

describe('an answer that a browser brings', () => {
  it.each<[string, Record<string, string>]>([
    ['with another state', { state: 's'.repeat(43) }],
    ['without a state', { state: '' }],
    ['of another provider (RFC 9207)', { iss: 'https://login.example' }],
    ['without a code', { code: '' }],
    ['of the implicit flow', { id_token: 'x', access_token: 'y' }],
    ['with an error that means nothing', { error: 'x' }],
  ])('%s is refused, before a token is asked for', async (_, answer) => {
    expect(await codeOfSignIn(answer)).toBe('OIDC_ANSWER_REFUSED');
    expect(provider.asked).not.toContain('/token');
  });
});
