import { createHash } from 'node:crypto';
import { Hono } from 'hono';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { checkSameOrigin } from '../../src/http/body.ts';
import { refuse } from '../../src/http/sign-in/guard.ts';
import { signInLimits } from '../../src/http/sign-in/limits.ts';
import type { Authority, Right } from '../../src/http/sign-in/sessions.ts';
import { staticUrl } from '../../src/http/static-files.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { at, idp, makeCharter } from '../support/documents.ts';
import { startSignIn } from '../support/sign-in.ts';
import { withLimits } from '../support/with-limits.ts';

const origin = 'http://127.0.0.1:4995';
const service = 'https://watch.example';
const cookieName = 'quorate-session-4995';

/** A service at whose provider everybody is `ada`, a reader, until `role` says otherwise. */
async function signInOf(over: Partial<Authority> = {}, parts: Parameters<typeof startSignIn>[1] = {}) {
  const clock = { ms: at * 1000 };
  const who = { role: 'reader' as 'reader' | 'publisher' | undefined };
  const right: Right = { person: 'ada', name: 'Adé', role: () => who.role };
  const authority: Authority = {
    host: 'login.example',
    begin: async () => ({
      url: new URL('https://login.example/auth'),
      checks: { state: 's', nonce: 'n', verifier: 'v' },
    }),
    finish: async () => right,
    ...over,
  };
  const text = `origin = "${origin}"\nservices = ["${service}"]\n`;
  const made = await startSignIn(text, {
    authority,
    now: () => clock.ms,
    issuer: { signer: idp.signer, charter: makeCharter },
    ...parts,
  });
  onTestFinished(() => made.close());
  const ask = async (path: string, init: RequestInit & { env?: object } = {}) => {
    const { env, ...rest } = init;
    const answer = await made.app.request(`${origin}${path}`, rest, env ?? {});
    return answer;
  };
  const post = (path: string, body: object) => {
    const text = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': String(text.length) };
    return ask(path, { method: 'POST', body: text, headers });
  };
  const form = (path: string, fields: Record<string, string>) => {
    const body = new URLSearchParams(fields).toString();
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(body.length),
    };
    return ask(path, { method: 'POST', body, headers });
  };
  const transaction = async () => {
    const start = await ask('/sign-in/start?return=/back');
    return start.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  };
  /** The cookie of somebody who has signed in. */
  const signedIn = async () => {
    const back = await ask('/sign-in/callback?state=s', { headers: { cookie: await transaction() } });
    return (
      back.headers
        .getSetCookie()
        .find((text) => text.startsWith(cookieName))
        ?.split(';')[0] ?? ''
    );
  };
  return { ...made, clock, who, right, ask, post, form, transaction, signedIn };
}

const codeIn = async (asked: Response | Promise<Response>): Promise<[number, string]> => {
  const answer = await asked;
  const { error } = (await answer.json()) as { error: { code: string } };
  return [answer.status, error.code];
};

describe('a browser that signs in', () => {
  it('where there is no provider is told so', async () => {
    const { ask } = await signInOf({}, { authority: undefined });
    for (const path of ['/sign-in/start', '/sign-in/callback?state=s'])
      expect(await codeIn(ask(path))).toEqual([404, 'SIGN_IN_UNAVAILABLE']);
    expect(await (await ask('/sign-in')).text()).not.toContain('/sign-in/start');
  });

  it('comes back once, in time, with what it was sent away with', async () => {
    const { ask, transaction, clock } = await signInOf();
    expect(await (await ask('/sign-in?return=/x')).text()).toContain('/sign-in/start?return=%2Fx');
    const state = [400, 'SIGN_IN_STATE'];
    const back = (cookie: string, query = 'state=s') =>
      ask(`/sign-in/callback?${query}`, { headers: { cookie } });
    const cookie = await transaction();
    const wrong: [string, string?][] = [
      [''],
      ['quorate-sign-in-4995=nonsense'],
      [cookie, 'state=other'],
      [cookie, ''],
    ];
    for (const given of wrong) expect([given, await codeIn(back(...given))]).toEqual([given, state]);
    const done = await back(cookie);
    expect([done.status, done.headers.get('refresh'), await done.text()]).toEqual([
      ...[200, '0; url=/back'],
      expect.stringContaining('<h1>Signed in as Adé'),
    ]);
    expect(done.headers.getSetCookie().map((text) => text.split('=')[0])).toEqual([
      'quorate-sign-in-4995',
      cookieName,
    ]);
    expect(await codeIn(back(cookie))).toEqual(state);
    const late = await transaction();
    clock.ms += signInLimits.transactionSecondsMax * 1000;
    expect(await codeIn(back(late))).toEqual(state);
  });

  it('has the provider asked by its address so many times at once', async () => {
    withLimits(signInLimits, { providerAsksPerAddressMax: 1 });
    const { promise, reject } = Promise.withResolvers<Right>();
    const finish = vi.fn(() => promise);
    const { ask, transaction } = await signInOf({ finish });
    const back = async () =>
      ask('/sign-in/callback?state=s', { headers: { cookie: await transaction() }, env: { client: 'a' } });
    const first = back();
    await expect.poll(() => finish.mock.calls.length).toBe(1);
    await expect(back()).rejects.toMatchObject({ code: 'HTTP_BUSY' });
    reject(new QuorateError('OIDC_DENIED', 'no'));
    expect(await codeIn(first)).toEqual([403, 'OIDC_DENIED']);
    // Its place is free again.
    expect(await codeIn(back())).toEqual([403, 'OIDC_DENIED']);
  });

  it('gets a new session, and its old one ends', async () => {
    const { ask, transaction, signedIn } = await signInOf();
    const before = await signedIn();
    const session = (cookie: string) => ask('/sign-in/session', { headers: { cookie } });
    expect(await (await session(before)).json()).toMatchObject({ person: 'ada', role: 'reader' });
    const again = await ask('/sign-in/callback?state=s', {
      headers: { cookie: `${before}; ${await transaction()}` },
    });
    expect(again.status).toBe(200);
    expect(await codeIn(session(before))).toEqual([401, 'SIGN_IN_REQUIRED']);
  });

  it('hears that it is signed in, and so often that its stream is there', async () => {
    withLimits(signInLimits, { keepAliveMs: 5 });
    const { ask, signedIn } = await signInOf();
    const { body } = await ask('/sign-in/events', { headers: { cookie: await signedIn() } });
    let heard = '';
    for await (const bytes of body ?? []) {
      heard += Buffer.from(bytes);
      if (heard.includes(': \n\n')) break;
    }
    expect(heard).toMatch(/^event: signed-in\ndata: reader\n\n: \n\n/);
  });

  it('is shown who is signed in, and signs out by a form of its own', async () => {
    const { ask, signedIn } = await signInOf();
    const cookie = await signedIn();
    for (const path of ['/sign-in', '/sign-out'])
      expect(await (await ask(path, { headers: { cookie } })).text()).toContain('You are signed in as');
    expect(await (await ask('/sign-out')).text()).toContain('Sign in again');
    const { csrf } = (await (await ask('/sign-in/session', { headers: { cookie } })).json()) as {
      csrf: string;
    };
    const out = (token: string, headers = {}) =>
      ask('/sign-out', { method: 'POST', headers: { cookie, origin, 'x-csrf-token': token, ...headers } });
    expect(await codeIn(out('x'))).toEqual([403, 'SIGN_IN_CSRF']);
    expect(await codeIn(out('x'.repeat(csrf.length)))).toEqual([403, 'SIGN_IN_CSRF']);
    expect(await codeIn(out(csrf, { origin: 'https://evil.example' }))).toEqual([403, 'SIGN_IN_CSRF']);
    const done = await out(csrf);
    expect([done.status, done.headers.getSetCookie()[0]]).toEqual([
      303,
      expect.stringContaining('Max-Age=0'),
    ]);
    expect(await codeIn(ask('/sign-in/session', { headers: { cookie } }))).toEqual([401, 'SIGN_IN_REQUIRED']);
  });

  it('has so many streams open, and one more once one is closed', async () => {
    withLimits(signInLimits, { streamsPerSessionMax: 2 });
    const { ask, signedIn } = await signInOf();
    const cookie = await signedIn();
    const open = () => ask('/sign-in/events', { headers: { cookie } });
    const [first] = [await open(), await open()];
    expect(await codeIn(open())).toEqual([503, 'SIGN_IN_BUSY']);
    await first?.body?.cancel();
    await expect.poll(async () => (await open()).status).toBe(200);
    expect(await codeIn(open())).toEqual([503, 'SIGN_IN_BUSY']);
  });

  it('as a reader does nothing that needs a publisher, and reads in its own name', async () => {
    const { requireRole, signedIn, who, ask, app } = await signInOf();
    const site = new Hono().route('/', app).get('/own', requireRole('publisher'), (c) => c.text('own'));
    const cookie = await signedIn();
    const get = (headers = {}) => site.request(`${origin}/own?a=b`, { headers });
    expect(await codeIn(get({ cookie }))).toEqual([403, 'SIGN_IN_ROLE']);
    expect(await codeIn(get())).toEqual([401, 'SIGN_IN_REQUIRED']);
    const page = await get({ accept: 'text/html' });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/sign-in?return=%2Fown%3Fa%3Db']);
    who.role = 'publisher';
    // A session of another role is over.
    expect(await codeIn(get({ cookie }))).toEqual([401, 'SIGN_IN_REQUIRED']);
    const own = await get({ cookie: await signedIn() });
    expect([own.status, own.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect((await ask('/sign-in')).headers.get('cache-control')).toBe('no-store');
    expect((await ask(staticUrl('page.css'))).status).toBe(200);
  });
});

describe('a terminal that signs in', () => {
  it('is told which questions are known', async () => {
    const { ask, form } = await signInOf();
    expect(await (await ask('/.well-known/oauth-authorization-server')).json()).toMatchObject({
      issuer: origin,
    });
    expect(await (await form('/sign-in/device', { client_id: 'other' })).json()).toEqual({
      error: 'invalid_client',
    });
    expect(await (await form('/sign-in/token', { grant_type: 'password' })).json()).toEqual({
      error: 'unsupported_grant_type',
    });
  });

  it('gets a token, or hears why not; what is not known fails', async () => {
    const { ask, form, signedIn, who, right } = await signInOf();
    const begin = async () =>
      (await (await form('/sign-in/device', { client_id: 'quorate-terminal' })).json()) as {
        device_code: string;
        user_code: string;
      };
    const token = (device_code: string) =>
      form('/sign-in/token', { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code });
    const cookie = await signedIn();
    const { csrf } = (await (await ask('/sign-in/session', { headers: { cookie } })).json()) as {
      csrf: string;
    };
    const confirm = async (user_code: string) => {
      const body = new URLSearchParams({ user_code, csrf }).toString();
      const headers = {
        cookie,
        origin,
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': String(body.length),
      };
      expect((await ask('/sign-in/device/confirm', { method: 'POST', body, headers })).status).toBe(200);
    };
    const [a, b, c] = [await begin(), await begin(), await begin()];
    expect([(await token(a.device_code)).status, (await token('x')).status]).toEqual([400, 400]);
    for (const { user_code } of [a, b, c]) await confirm(user_code);
    expect(await (await token(a.device_code)).json()).toMatchObject({
      token_type: 'Bearer',
      scope: 'reader',
    });
    who.role = undefined;
    const refused = await token(b.device_code);
    // In ASCII, as RFC 6749 has it.
    expect([refused.status, await refused.json()]).toEqual([
      400,
      { error: 'access_denied', error_description: 'Ad? (ada) has no role here' },
    ]);
    Object.assign(right, {
      role: () => {
        throw new TypeError('broken');
      },
    });
    await expect(token(c.device_code)).rejects.toThrow('broken');
  });
});

describe('a service that asks for people', () => {
  const verifier = 'v'.repeat(43);
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const query = (over: Record<string, string> = {}) =>
    new URLSearchParams({ service, state: 's'.repeat(22), challenge, ...over }).toString();

  it.each([
    ['another form', { challenge: 'x' }, [400, 'SIGN_IN_REQUEST']],
    ['a state that is too short', { state: 's'.repeat(21) }, [400, 'SIGN_IN_REQUEST']],
    ['a service that is not known', { service: 'https://other.example' }, [403, 'SIGN_IN_SERVICE_REFUSED']],
  ])('in %s is refused', async (_, over, wanted) => {
    const { ask } = await signInOf();
    expect(await codeIn(ask(`/sign-in/authorize?${query(over)}`))).toEqual(wanted);
  });

  async function codeOf(made: Awaited<ReturnType<typeof signInOf>>): Promise<string> {
    const cookie = await made.signedIn();
    const back = await made.ask(`/sign-in/authorize?${query()}`, { headers: { cookie } });
    const url = new URL(back.headers.get('location') ?? '');
    expect([url.origin, url.searchParams.get('state'), url.searchParams.get('iss')]).toEqual([
      service,
      's'.repeat(22),
      origin,
    ]);
    return url.searchParams.get('code') ?? '';
  }

  it('is led to the sign-in, from a page of the identity provider', async () => {
    const { ask } = await signInOf();
    const first = await ask(`/sign-in/authorize?${query()}`);
    expect([first.status, first.headers.get('refresh')]).toEqual([
      200,
      `0; url=/sign-in/authorize?${query()}&here=1`,
    ]);
    const second = await ask(`/sign-in/authorize?${query({ here: '1' })}`);
    expect([second.status, second.headers.get('location')]).toEqual([
      302,
      `/sign-in?return=${encodeURIComponent(`/sign-in/authorize?${query({ here: '1' })}`)}`,
    ]);
  });

  it('exchanges a code once, for itself, for the sign-in that it began', async () => {
    const made = await signInOf();
    const exchange = (code: string, over = {}) =>
      made.post('/sign-in/exchange', { code, verifier, service, ...over });
    const code = await codeOf(made);
    const answer = await exchange(code);
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { session: expect.any(String), handle: expect.stringMatching(/^.{43}$/) },
    ]);
    expect(await codeIn(exchange(code))).toEqual([400, 'SIGN_IN_CODE']);
    expect(await codeIn(exchange(await codeOf(made), { verifier: 'w'.repeat(43) }))).toEqual([
      400,
      'SIGN_IN_CODE',
    ]);
    expect(await codeIn(exchange(await codeOf(made), { service: 'https://other.example' }))).toEqual([
      403,
      'SIGN_IN_SERVICE_REFUSED',
    ]);
    const other = 'https://second.example';
    Object.assign(made.file.settings, { services: [service, other] });
    expect(await codeIn(exchange(await codeOf(made), { service: other }))).toEqual([400, 'SIGN_IN_CODE']);
  });

  it('hears of each whether they are still signed in, with a document in the last half of its time', async () => {
    const made = await signInOf();
    const { handle } = (await (
      await made.post('/sign-in/exchange', { code: await codeOf(made), verifier, service })
    ).json()) as { handle: string };
    const half = limits.sessionSecondsMax / 2;
    const renew = async (exp: number, of = service, handles = [handle]) =>
      (
        (await (
          await made.post('/sign-in/renew', {
            service: of,
            sessions: handles.map((one) => ({ handle: one, exp })),
          })
        ).json()) as { sessions: unknown[] }
      ).sessions;
    expect(await renew(at + half)).toEqual([true]);
    expect(await renew(at + half - 1)).toEqual([expect.any(String)]);
    expect(await renew(at + half, service, ['x'.repeat(43), handle])).toEqual([false, true]);
    expect(await renew(at + half, 'https://other.example')).toEqual([false]);
    made.who.role = undefined;
    expect(await renew(at + half)).toEqual([false]);
  });

  it('is answered in slices, between which others have their turn', async () => {
    const made = await signInOf();
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const order: string[] = [];
    const handles: string[] = [];
    for (let n = 0; n < 2; n++) {
      const answer = await made.post('/sign-in/exchange', { code: await codeOf(made), verifier, service });
      handles.push(((await answer.json()) as { handle: string }).handle);
    }
    let n = 0;
    Object.assign(made.right, {
      role: () => {
        if (n === 0) setImmediate(() => order.push('another'));
        order.push(`role ${n++}`);
        vi.advanceTimersByTime(1_000);
        return 'reader';
      },
    });
    await made.post('/sign-in/renew', {
      service,
      sessions: handles.map((handle) => ({ handle, exp: at + 300 })),
    });
    expect(order).toEqual(['role 0', 'another', 'role 1']);
  });
});

it.each([
  [{ 'sec-fetch-site': 'same-origin' }, true],
  [{ 'sec-fetch-site': 'same-origin', origin }, true],
  [{ 'sec-fetch-site': 'same-origin', origin: 'null' }, true],
  [{ origin }, true],
  [{ origin: 'null' }, false],
  [{}, false],
  [{ 'sec-fetch-site': 'none' }, false],
  [{ 'sec-fetch-site': 'same-site', origin }, false],
  [{ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }, false],
])('a request with %j comes from a page of this origin: %s', (headers, is) => {
  const check = () =>
    checkSameOrigin({ req: { header: (name: string) => headers[name as never] } } as never, origin);
  if (is) check();
  else expect(check).toThrow(expect.objectContaining({ code: 'SIGN_IN_CSRF' }));
});

it('an error that is none of signing in is thrown on', () => {
  for (const error of [new TypeError('x'), new QuorateError('STORE_FULL' as never, 'x')])
    expect(() => refuse({} as never, error)).toThrow(error);
});
