import { createECDH, createPrivateKey } from 'node:crypto';
import fc from 'fast-check';
import { CompactSign } from 'jose';
import { originOf, signInWithKey, whoIs } from '../../../src/client/login.ts';
import { contentOf } from '../../../src/http/verify-page/browser/content.ts';
import { signInDevice } from '../../../src/identity/oidc/device.ts';
import { OidcProvider } from '../../../src/identity/oidc/provider.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { openWebVerifier } from '../../../src/identity/web-verifier.ts';
import { codeOf, QuorateError } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { messageKinds, openMessage } from '../../../src/protocol/documents/index.ts';
import { ContractServer } from '../../forge/contract-server.ts';
import { project, publisher } from '../../support/documents.ts';
import { mutatedBytes, mutatedJson, mutatedText } from '../arbitraries.ts';
import { validTexts } from '../corpus.ts';
import { type AnyTarget, define, must } from '../target.ts';
import { smallCar } from './blocks.ts';

/** Stands for the address of the server, which has another port each time. */
const here = 'https://here.invalid';
let server: Promise<ContractServer> | undefined;

/** A server that answers each path with a text, and its address. */
async function answering(texts: Record<string, string>): Promise<string> {
  server ??= ContractServer.start();
  const at = await server;
  at.requests.length = 0;
  at.answer(({ path }) => ({ body: texts[path]?.replaceAll(here, at.url) ?? '{}' }));
  return at.url;
}

async function close(): Promise<void> {
  await (await server)?.close();
  server = undefined;
}

type Texts = Record<string, string>;
/** One of the texts is changed, or several are. */
const changedTexts = (seeds: readonly Texts[]): fc.Arbitrary<Texts> =>
  fc.constantFrom(...seeds).chain((seed) =>
    fc.record(
      Object.fromEntries(
        Object.entries(seed).map(([name, text]) => [
          name,
          fc.oneof(
            { weight: 4, arbitrary: fc.constant(text) },
            { weight: 3, arbitrary: text.startsWith('{') ? mutatedJson([text]) : mutatedText([text]) },
            {
              weight: 1,
              arbitrary: mutatedText([text], ['\r\n', '"', here, 'file:///etc/passwd', 'null']),
            },
          ),
        ]),
      ),
    ),
  );

const secret = Buffer.alloc(32, 7);
const ecdh = createECDH('prime256v1');
ecdh.setPrivateKey(secret);
const point = ecdh.getPublicKey();
const jwk = {
  kty: 'EC',
  crv: 'P-256',
  kid: 'a',
  x: point.subarray(1, 33).toString('base64url'),
  y: point.subarray(33).toString('base64url'),
};
const key = createPrivateKey({ key: { ...jwk, d: secret.toString('base64url') }, format: 'jwk' });
const checks = { state: 's'.repeat(43), nonce: 'n'.repeat(43), verifier: 'v'.repeat(43) };

const metadata = {
  issuer: here,
  authorization_endpoint: `${here}/authorize`,
  token_endpoint: `${here}/token`,
  userinfo_endpoint: `${here}/userinfo`,
  jwks_uri: `${here}/jwks`,
  response_types_supported: ['code'],
  id_token_signing_alg_values_supported: ['ES256'],
};
const claims = {
  iss: here,
  sub: 'ada',
  aud: 'quorate',
  exp: 9_999_999_999,
  iat: 1_700_000_000,
  nonce: checks.nonce,
  preferred_username: 'Ada',
  email: 'ada@example.org',
  email_verified: true,
};

/** Answers of an OpenID Connect provider, whose key signs whatever it likes. */
const provider = define<Texts>({
  name: 'oidc-provider',
  seeds: async () => [
    {
      metadata: JSON.stringify(metadata),
      jwks: JSON.stringify({ keys: [{ ...jwk, alg: 'ES256', use: 'sig' }] }),
      token: JSON.stringify({ access_token: 'a', token_type: 'Bearer', id_token: '@idToken' }),
      claims: JSON.stringify(claims),
      userinfo: JSON.stringify({ sub: 'ada', groups: ['maintainers'] }),
      callback: `?code=c&state=${checks.state}&iss=${encodeURIComponent(here)}`,
    },
  ],
  arbitrary: changedTexts,
  // Four requests over the network of this host.
  msMax: 400,
  async run({ metadata = '', jwks = '', token = '', claims = '', userinfo = '', callback = '' }) {
    const answers: Texts = {
      '/.well-known/openid-configuration': metadata,
      '/jwks': jwks,
      '/userinfo': userinfo,
    };
    const issuer = await answering(answers);
    const idToken = await new CompactSign(toUtf8(claims.replaceAll(here, issuer)))
      .setProtectedHeader({ alg: 'ES256', kid: 'a' })
      .sign(key);
    answers['/token'] = token.replaceAll('@idToken', idToken);
    const client = new OidcProvider({
      issuer,
      clientId: 'quorate',
      clientSecret: 'a-secret',
      scopes: ['groups'],
      wanted: () => ['groups'],
      now: () => Date.now(),
    });
    const { url } = await client.begin('https://ci.example/sign-in/callback');
    must(/^https?:$/.test(url.protocol), 'a browser is sent to what is not of the web');
    const query = callback
      .replaceAll(encodeURIComponent(here), encodeURIComponent(issuer))
      .replaceAll(/[^\x21-\x7e]|#/g, '');
    const back = new URL(`https://ci.example/sign-in/callback${query}`);
    const { person, name } = await client.finish(back, checks);
    must(person.startsWith(`${issuer}#`) && person.length < 600, 'a person of another provider');
    must(!/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name) && name.length <= 100, 'a name that is not harmless');
    must(back.searchParams.get('state') === checks.state, 'the answer to another sign-in was taken');
  },
  close,
});

const device = define<Texts>({
  name: 'oidc-device',
  seeds: async () => [
    {
      metadata: JSON.stringify({
        issuer: here,
        token_endpoint: `${here}/token`,
        device_authorization_endpoint: `${here}/device`,
        token_endpoint_auth_methods_supported: ['none'],
      }),
      device: JSON.stringify({
        device_code: 'd',
        user_code: 'BCDFG-HJKLM',
        expires_in: 600,
        interval: 0.001,
        verification_uri: `${here}/device`,
        verification_uri_complete: `${here}/device?user_code=B`,
      }),
      token: JSON.stringify({ access_token: 'a'.repeat(43), token_type: 'Bearer', scope: 'reader' }),
    },
  ],
  arbitrary: changedTexts,
  msMax: 400,
  async run({ metadata = '', device = '', token = '' }) {
    const issuer = await answering({
      '/.well-known/oauth-authorization-server': metadata,
      '/device': device,
      '/token': token,
    });
    // A service may have a terminal wait for long: whoever waits ends it.
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(new QuorateError('OIDC_DENIED', 'nobody waits longer')), 2_000);
    try {
      const given = await signInDevice({
        issuer,
        clientId: 'quorate-terminal',
        signal: stop.signal,
        tell({ code, url, completeUrl }) {
          must(/^[A-Z0-9-]+$/.test(code), 'a code that nobody types');
          must(
            [url, completeUrl].every((one) => /^https?:\/\/[\x21-\x7e]+$/.test(one)),
            'an address that is none',
          );
        },
      });
      must(given !== '', 'an empty token');
    } finally {
      clearTimeout(timer);
    }
  },
  close,
});

const login = define<Texts>({
  name: 'login-answers',
  seeds: async () => [
    {
      challenge: JSON.stringify({ challenge: 'c', project, aud: here }),
      link: JSON.stringify({ url: `${here}/sign-in/link?code=c` }),
      session: JSON.stringify({ person: publisher.id, name: 'ada', role: 'reader' }),
    },
  ],
  arbitrary: changedTexts,
  msMax: 400,
  async run({ challenge = '', link = '', session = '' }) {
    const origin = await answering({
      '/sign-in/challenge': challenge,
      '/sign-in/key': link,
      '/sign-in/session': session,
    });
    const signal = AbortSignal.timeout(5_000);
    const membership = { project, name: 'a', operator: 'ada', role: 'publisher' as const, charter: '' };
    const url = await signInWithKey(origin, {
      key: publisher,
      now: Date.now(),
      signal,
      membership: { ...membership, grant: 'g', controllers: [], bootstrap: [] },
    });
    must(new URL(url).origin === origin && originOf(url) === origin, 'it leads elsewhere');
    const { role } = await whoIs(origin, 'a-token', signal);
    must(role === 'publisher' || role === 'reader', 'a role that is none');
  },
  close,
});

/** The browser's verifier says of each document what that of Node says. */
const webVerifier = define<{ kind: string; jws: string }>({
  name: 'web-verifier',
  seeds: async () => messageKinds.flatMap((kind) => validTexts(kind).map((jws) => ({ kind, jws }))),
  arbitrary: (seeds) =>
    fc
      .constantFrom(...seeds)
      .chain(({ kind, jws }) => fc.record({ kind: fc.constant(kind), jws: mutatedText([jws]) })),
  async run({ kind, jws }) {
    const of = messageKinds.find((one) => one === kind) ?? 'charter';
    const verifier = await openWebVerifier();
    const said = await openMessage(of, jws, joseVerifier).then(({ id }) => id, codeOf);
    const opened = await openMessage(of, jws, verifier).catch((error: unknown) => {
      must(codeOf(error) === said, `one verifier says ${said}, the other ${codeOf(error)}`);
      throw error;
    });
    must(opened.id === said, `one verifier says ${said}, the other takes it`);
  },
});

const file = (path: string, bytes: Uint8Array) => ({
  path,
  size: bytes.length,
  async *read() {
    yield bytes;
  },
});
/** A folder or a file that somebody drops onto the page that verifies: one path a line, with what is in it after a colon. */
const dropped = define<string>({
  name: 'verify-page-folder',
  seeds: async () => ['a:hello', 'bin/run:#!/bin/sh\nbin/b:x', 'a/b/c:1\na/d:2'],
  arbitrary: (seeds) => mutatedText(seeds, ['/', '//', '..', '.', '\0', '\n', ':', '\ud800', 'a/', '#!']),
  msMax: 200,
  async run(text) {
    const files = text.split('\n').map((line) => {
      const [path = '', ...content] = line.split(':');
      return file(path, toUtf8(content.join(':')));
    });
    const given = await contentOf(files, true, () => {}, AbortSignal.timeout(5_000));
    must(given.kind === 'folder' && given.files.length === files.length, 'a file is missing');
  },
});

const droppedFile = define<Uint8Array>({
  name: 'verify-page-file',
  seeds: async () => [(await smallCar()).bytes, toUtf8('hello'), toUtf8('')],
  arbitrary: mutatedBytes,
  async run(bytes) {
    const given = await contentOf([file('a', bytes)], false, () => {}, AbortSignal.timeout(5_000));
    const { root } = await smallCar();
    must(given.kind !== 'archive' || given.cid === `${root}`, 'an archive of a tree that was not in it');
  },
});

export const targets: readonly AnyTarget[] = [provider, device, login, webVerifier, dropped, droppedFile];
