import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { returnPath } from '../../../src/http/sign-in/browser-routes.ts';
import { IdpAuthority } from '../../../src/http/sign-in/idp-authority.ts';
import { signIn } from '../../../src/http/sign-in/index.ts';
import { KeySignIn } from '../../../src/http/sign-in/key-sign-in.ts';
import { parseSignInSettings } from '../../../src/identity/oidc/settings.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  encodeCanonical,
  type Grant,
  type SignIn,
  signMessage,
  typOf,
} from '../../../src/protocol/documents/index.ts';
import { idp, makeCharter, makeGrant, nonceOf, project, publisher } from '../../support/documents.ts';
import { mutatedJson, mutatedText } from '../arbitraries.ts';
import { type Asked, requestOf, taken, textsIn } from '../requests.ts';
import { type AnyTarget, define, must } from '../target.ts';

const now = 1_700_000_000_000;
const iat = now / 1000;
const origin = 'http://127.0.0.1:4998';
const idpOrigin = 'http://127.0.0.1:4997';
const service = 'http://127.0.0.1:4996';

/** A path after signing in must not lead a browser elsewhere. */
const returnPaths = define<string>({
  name: 'return-path',
  seeds: async () => ['/', '/approvals?id=1', '/runs/bafy/logs', '/a//b'],
  arbitrary: (seeds) =>
    mutatedText(seeds, [
      '//',
      '/\\',
      '/.',
      '/..',
      '%2f',
      '\t',
      '\n',
      'https:',
      '@',
      'evil.example',
      '?',
      '#',
      ';',
    ]),
  run(text) {
    const path = returnPath(text);
    const { origin: at, href } = new URL(path, origin);
    must(at === origin && new URL(`0; url=${path}`.slice(7), origin).href === href, `it leads to ${at}`);
    must(/^\/(?!\/)[\x21-\x7e]*$/.test(path) && !path.includes('\\'), 'a path that browsers read otherwise');
  },
});

const sessionPayload = {
  iss: idp.id,
  aud: origin,
  project,
  sub: 'https://login.example#ada',
  name: 'Ada',
  role: 'reader',
  jti: nonceOf('session'),
  iat,
  exp: iat + 300,
};
const sign = (kind: 'session' | 'sign-in' | 'grant', key: typeof idp, text: string): Promise<string> =>
  key.signer.jws({ alg: 'Ed25519', typ: typOf(kind), kid: key.id }, toUtf8(text));
const canonicalText = (value: object): string => fromUtf8(encodeCanonical(value));

const handle = 'h'.repeat(43);
const authorityOf = (text: string): IdpAuthority =>
  new IdpAuthority({
    idp: idpOrigin,
    origin,
    charter: () => makeCharter(),
    verifier: joseVerifier,
    now: () => now,
    ask: async () => ({ ok: true, status: 200, text }),
  });

/** Answers of the identity provider, or of a server in its place, when a browser came back. */
const idpAnswer = define<{ answer: string; payload: string }>({
  name: 'idp-answer',
  seeds: async () => [
    { answer: JSON.stringify({ session: '@document', handle }), payload: canonicalText(sessionPayload) },
  ],
  arbitrary: (seeds) =>
    fc.oneof(
      fc.record({
        answer: fc.constant(seeds[0]?.answer ?? ''),
        payload: mutatedJson(seeds.map(({ payload }) => payload)),
      }),
      fc.record({
        answer: fc.oneof(
          mutatedJson(seeds.map(({ answer }) => answer)),
          mutatedText(seeds.map(({ answer }) => answer)),
        ),
        payload: fc.constant(seeds[0]?.payload ?? ''),
      }),
    ),
  async run({ answer, payload }) {
    const authority = authorityOf(answer.replaceAll('@document', await sign('session', idp, payload)));
    try {
      const callback = new URL(`${origin}/sign-in/callback?code=c&iss=${encodeURIComponent(idpOrigin)}`);
      const right = await authority.finish(callback, { verifier: 'v' });
      const { aud, role } = JSON.parse(payload);
      must(aud === origin && right.role() === role, 'a session document of another service was taken');
    } finally {
      authority.close();
    }
  },
});

/** Two documents, each well signed by the key that may sign it. */
const keySignIn = define<{ signIn: string; grant: string }>({
  name: 'key-sign-in',
  seeds: async () => [
    {
      signIn: canonicalText({
        iss: publisher.id,
        aud: origin,
        project,
        challenge: '@challenge',
        iat,
        exp: iat + 60,
      } satisfies SignIn),
      grant: canonicalText(
        makeGrant(publisher, 'ada', 'publisher', { iat: iat - 60, exp: iat + 3600 }) satisfies Grant,
      ),
    },
  ],
  arbitrary: (seeds) =>
    fc.record({
      signIn: fc.oneof(fc.constant(seeds[0]?.signIn ?? ''), mutatedJson(seeds.map(({ signIn }) => signIn))),
      grant: fc.oneof(fc.constant(seeds[0]?.grant ?? ''), mutatedJson(seeds.map(({ grant }) => grant))),
    }),
  async run(given) {
    const keys = { charter: () => makeCharter(), verifier: joseVerifier, isRevoked: () => false };
    const at = new KeySignIn({ origin, keys, now: () => now, hasEnded: () => false });
    const text = given.signIn.replaceAll('@challenge', at.challenge().challenge);
    const sent = {
      signIn: await sign('sign-in', publisher, text),
      grant: await sign('grant', idp, given.grant),
    };
    const right = await at.answer(sent);
    must(right.person === publisher.id && JSON.parse(text).aud === origin, 'somebody else signed in');
    const again = await at.answer(sent).then(
      () => 'taken',
      ({ code }) => code,
    );
    must(again === 'SIGN_IN_CHALLENGE', 'a challenge was answered twice');
  },
});

const settings = parseSignInSettings(`origin = "${origin}"\nservices = ["${service}"]\n`, 'sign-in.toml');

/** A service of its own for each request, and what stands in a request for what it made before: `@session`, `@csrf` and so on. */
class Service {
  readonly #signed;
  readonly #made = new Map<string, string>();

  constructor(answer: string) {
    this.#signed = signIn({
      file: { settings, hasEnded: () => false },
      authority: authorityOf(answer),
      keys: { charter: () => makeCharter(), verifier: joseVerifier, isRevoked: () => false },
      issuer: { signer: idp.signer, charter: () => makeCharter() },
      now: () => now,
    });
  }

  ask(asked: Asked): Promise<Response> {
    return Promise.resolve(this.#signed.app.request(requestOf(origin, asked)));
  }

  close(): void {
    this.#signed.close();
  }

  async filled(text: string): Promise<string> {
    for (const name of [
      'session',
      'csrf',
      'link',
      'transaction',
      'state',
      'device',
      'typed',
      'code',
      'handle',
      'token',
    ])
      if (text.includes(`@${name}`) && !this.#made.has(name)) await this.#make(name);
    if (text.includes('@signIn')) await this.#documents();
    return [...this.#made].reduce((now, [name, made]) => now.replaceAll(`@${name}`, made), text);
  }

  async #post(path: string, body: string, more: object = {}): Promise<Response> {
    const type = body.startsWith('{') ? 'application/json' : 'application/x-www-form-urlencoded';
    const headers = JSON.stringify({ 'content-type': type, 'content-length': '@length', origin, ...more });
    return this.ask({ method: 'POST', path, headers, body });
  }

  async #documents(): Promise<void> {
    const { challenge } = JSON.parse((await taken(await this.#post('/sign-in/challenge', '{}'))).text);
    const payload = { iss: publisher.id, aud: origin, project, challenge, iat, exp: iat + 60 };
    this.#made.set('signIn', (await signMessage('sign-in', payload, publisher.signer)).raw);
    const grant = makeGrant(publisher, 'ada', 'publisher', { iat: iat - 60, exp: iat + 3600 });
    this.#made.set('grant', (await signMessage('grant', grant, idp.signer)).raw);
  }

  async #make(name: string): Promise<void> {
    const set = (key: string, value: string | null | undefined) => this.#made.set(key, value ?? '');
    const form = async (path: string, body: string, more: object = {}) =>
      taken(await this.#post(path, await this.filled(body), more));
    const cookieOf = (headers: Headers): string => headers.getSetCookie()[0]?.split(';')[0] ?? '';
    if (name === 'link') {
      const { url } = JSON.parse((await form('/sign-in/key', '{"sign-in":"@signIn","grant":"@grant"}')).text);
      set('link', new URL(url).searchParams.get('code'));
    } else if (name === 'session') {
      set('session', cookieOf((await form('/sign-in/link', 'code=@link')).headers));
      this.#made.delete('link');
    } else if (name === 'csrf') {
      const headers = await this.filled('{"cookie":"@session"}');
      const asked = { method: 'GET', path: '/sign-in/session', headers, body: '' };
      set('csrf', JSON.parse((await taken(await this.ask(asked))).text).csrf);
    } else if (name === 'transaction' || name === 'state') {
      const asked = { method: 'GET', path: '/sign-in/start?return=/a', headers: '{}', body: '' };
      const { headers } = await taken(await this.ask(asked));
      set('transaction', cookieOf(headers));
      set('state', new URL(headers.get('location') ?? '').searchParams.get('state'));
    } else if (name === 'device' || name === 'typed') {
      const { text } = await form('/sign-in/device', 'client_id=quorate-terminal');
      set('typed', JSON.parse(text).user_code);
      if (name === 'device') {
        const cookie = await this.filled('@session');
        await form('/sign-in/device/confirm', 'user_code=@typed&csrf=@csrf', { cookie });
      }
      set('device', JSON.parse(text).device_code);
    } else if (name === 'token') {
      const { text } = await form('/sign-in/token', tokenForm);
      set('token', JSON.parse(text).access_token);
    } else if (name === 'code') {
      const headers = await this.filled('{"cookie":"@session"}');
      const answer = await this.ask({ method: 'GET', path: authorize, headers, body: '' });
      set('code', new URL((await taken(answer)).headers.get('location') ?? '').searchParams.get('code'));
    } else {
      set('handle', JSON.parse((await form('/sign-in/exchange', exchange)).text).handle);
    }
  }
}

const verifier = 'v'.repeat(43);
const challenge = createHash('sha256').update(verifier).digest('base64url');
const authorize = `/sign-in/authorize?service=${encodeURIComponent(service)}&state=${'s'.repeat(22)}&challenge=${challenge}`;
const exchange = JSON.stringify({ code: '@code', verifier, service });
const tokenForm = 'grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=@device';

const get = (path: string, headers: object = {}): Asked => ({
  method: 'GET',
  path,
  headers: JSON.stringify(headers),
  body: '',
});
const post = (path: string, body: string, headers: object = {}): Asked => {
  const type = body.startsWith('{') ? 'application/json' : 'application/x-www-form-urlencoded';
  const all = { 'content-type': type, 'content-length': '@length', origin, ...headers };
  return { method: 'POST', path, headers: JSON.stringify(all), body };
};
const asSession = { cookie: '@session' };
const callback = `/sign-in/callback?code=c&state=@state&iss=${encodeURIComponent(idpOrigin)}`;

const requests: readonly Asked[] = [
  get('/sign-in?return=/approvals', { accept: 'text/html' }),
  get('/sign-in/start?return=/approvals'),
  get(callback, { cookie: '@transaction' }),
  get('/sign-out', asSession),
  get('/sign-in/session', asSession),
  get('/sign-in/session', { authorization: 'Bearer @token' }),
  get('/sign-in/events', asSession),
  get('/sign-in/link?code=@link'),
  get('/.well-known/oauth-authorization-server'),
  get('/sign-in/device?user_code=@typed', asSession),
  get(authorize, asSession),
  post('/sign-out', 'csrf=@csrf', { ...asSession, 'sec-fetch-site': 'same-origin' }),
  post('/sign-out', '', { ...asSession, 'x-csrf-token': '@csrf' }),
  post('/sign-in/challenge', '{}'),
  post('/sign-in/key', '{"sign-in":"@signIn","grant":"@grant"}'),
  post('/sign-in/link', 'code=@link'),
  post('/sign-in/device', 'client_id=quorate-terminal'),
  post('/sign-in/device/confirm', 'user_code=@typed&csrf=@csrf', asSession),
  post('/sign-in/token', tokenForm),
  post('/sign-in/exchange', exchange),
  post(
    '/sign-in/renew',
    JSON.stringify({ service, sessions: [{ handle: '@handle', exp: iat + limits.sessionSecondsMax }] }),
  ),
  {
    ...post(
      '/sign-in/link',
      '--form-0123456789\r\ncontent-disposition: form-data; name="code"\r\n\r\n@link\r\n--form-0123456789--\r\n',
      {
        'content-type': 'multipart/form-data; boundary=form-0123456789',
      },
    ),
  },
];

const odd = [
  'é',
  '%',
  '%ff',
  '%00',
  ';',
  '=',
  '&',
  '..',
  '\\',
  'null',
  '@session',
  '@transaction',
  '@csrf',
  'text/html',
];
const signInRequest = define<Asked>({
  name: 'sign-in-request',
  seeds: async () => requests,
  arbitrary: (seeds) =>
    fc.constantFrom(...seeds).chain((seed) =>
      fc.record({
        method: fc.constantFrom(seed.method, seed.method, 'GET', 'POST', 'PUT', 'DELETE'),
        path: fc.oneof(fc.constant(seed.path), mutatedText([seed.path], odd)),
        headers: fc.oneof(
          fc.constant(seed.headers),
          mutatedJson([seed.headers]),
          mutatedText([seed.headers], odd),
        ),
        body: fc.oneof(
          fc.constant(seed.body),
          seed.body.startsWith('{') ? mutatedJson([seed.body]) : mutatedText([seed.body], odd),
        ),
      }),
    ),
  // A service is set up, and somebody signed in to it, for each.
  msMax: 200,
  async run(asked) {
    const document = await sign('session', idp, canonicalText(sessionPayload));
    const at = new Service(JSON.stringify({ session: document, handle }));
    try {
      const [path, headers, body] = [
        await at.filled(asked.path),
        await at.filled(asked.headers),
        await at.filled(asked.body),
      ];
      const { headers: answered } = await taken(await at.ask({ method: asked.method, path, headers, body }));
      for (const name of ['location', 'refresh']) {
        const to = answered.get(name)?.replace(/^0; ?url=/, '');
        if (to === undefined) continue;
        must([origin, idpOrigin, service].includes(new URL(to, origin).origin), `it leads to ${to}`);
      }
      const gives = answered.getSetCookie().some((line) => /^quorate-session-\d+=[^;]/.test(line));
      const { cookie = '' } = textsIn(asked.headers);
      const shows = [asked.path, asked.body, cookie].join(' ');
      must(!gives || /@link|@transaction/.test(shows), 'a session for somebody who showed nothing');
    } finally {
      at.close();
    }
  },
});

export const targets: readonly AnyTarget[] = [returnPaths, idpAnswer, keySignIn, signInRequest];
